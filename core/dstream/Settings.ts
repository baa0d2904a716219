/**
 * Settings stand in `core/settings`: here is only the name by which the older modules find them.
 */
export * from "../settings/Settings.ts"
