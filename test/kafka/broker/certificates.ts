/**
 * Certificates for a broker of tests and for its clients, made with openssl: an authority, a server for 127.0.0.1 and localhost, and a client.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { run } from "./jars.ts"

export interface Certificates {
  /** PEM, all of them. */
  readonly ca: string
  readonly clientCertificate: string
  readonly clientKey: string
}

export const makeCertificates = (directory: string): Certificates => {
  const tls = path.join(directory, "tls")
  fs.mkdirSync(tls, { recursive: true })
  const openssl = (...parameters: ReadonlyArray<string>) => run("openssl", parameters, tls)
  const read = (name: string) => fs.readFileSync(path.join(tls, name), "utf8")
  const newKey = ["-newkey", "rsa:2048", "-nodes"]
  openssl(
    "req",
    "-x509",
    ...newKey,
    "-days",
    "30",
    "-subj",
    "/CN=dstreams-tests",
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem"
  )
  fs.writeFileSync(path.join(tls, "names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
  const signed = (name: string) => {
    openssl("req", ...newKey, "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`)
    const signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names"]
    openssl("x509", "-req", "-in", `${name}.csr`, ...signing, "-out", `${name}.pem`)
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", `${name}.key`, "-out", `${name}.p8`)
  }
  signed("localhost")
  signed("client")
  fs.writeFileSync(path.join(tls, "server.pem"), ["localhost.p8", "localhost.pem", "ca.pem"].map(read).join(""))
  return { ca: read("ca.pem"), clientCertificate: read("client.pem"), clientKey: read("client.p8") }
}
