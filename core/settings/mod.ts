/**
 * What programs use of settings: `import { Settings } from "dstreams"`. `StreamingApp.make` takes a `SettingsInput`;
 * `Settings.fromConfig` reads one from the environment, or wherever Effect's Config reads.
 */
export { fromConfig } from "./fromConfig.ts"
export { InvalidSetting, invalidSettings } from "./invalidSettings.ts"
export type { Settings, SettingsInput } from "./Settings.ts"
