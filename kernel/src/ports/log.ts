import type { Json } from "@vnes/schemas";

/** Structured lines for people and machines; never a secret. */
export interface Log {
  debug(data: { readonly [key: string]: Json | undefined }, message: string): void;
  info(data: { readonly [key: string]: Json | undefined }, message: string): void;
  warn(data: { readonly [key: string]: Json | undefined }, message: string): void;
  error(data: { readonly [key: string]: Json | undefined }, message: string): void;
}
