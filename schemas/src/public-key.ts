/** The public half of a signing key as a file, for others to trust. Schema: `schemas/public-key.schema.json`. */
import type { TrustKey } from "./trust.ts";

export interface PublicKeyDocument extends Pick<TrustKey, "key_id" | "algorithm" | "public_key"> {
  readonly schema_version: "v1";
}
