/** A value that survives JSON unchanged. Numbers are finite and never -0; integers stay within ±2^53. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };
