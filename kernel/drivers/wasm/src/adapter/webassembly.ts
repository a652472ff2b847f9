/** What the adapter uses of the JavaScript interface of WebAssembly: the language's own library does not declare it. */

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

export interface WasmInstance {
  readonly exports: { readonly [name: string]: unknown };
}

export interface CompiledModule {
  readonly compiled: unique symbol;
}

interface WebAssemblyApi {
  readonly Module: {
    new (bytes: ArrayBuffer): CompiledModule;
    imports(module: CompiledModule): readonly { readonly module: string; readonly name: string }[];
  };
  readonly Instance: new (module: CompiledModule, imports: object) => WasmInstance;
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => WasmMemory;
}

export const webAssembly: WebAssemblyApi = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi })
  .WebAssembly;
