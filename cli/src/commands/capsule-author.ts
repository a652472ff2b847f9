/** `vnes capsule new|build|sign|verify|install|uninstall`: from an idea to an installed capsule, and back. */
import type { Verified } from "@vnes/registry";
import { isVnesError, type Manifest, type TopicDefinition, SIGNATURE_ROLES, shellWord } from "@vnes/schemas";
import { existsSync } from "node:fs";
import type { Argv } from "yargs";
import { cliErrors } from "../errors.ts";
import { reasonsText } from "../output/problem.ts";
import { fields, shortHash } from "../output/text.ts";
import { openJudges, openRegistry } from "../node/authority.ts";
import { programLibraries, setUpBuiltins } from "../node/builtins.ts";
import { findPlace, type GlobalFlags, type Place, type Shell } from "../shell.ts";
import { compileOf, languageTemplates, TEMPLATE_LANGUAGES } from "../template/languages.ts";
import { writeTemplate } from "../template/write-template.ts";

const CAPSULE_ID = /^[a-z0-9_]+(\.[a-z0-9_]+)+$/;
/** The namespace of the capsules that come with the program. */
const BUILT_IN = "vnes.";
const DIR = { type: "string", demandOption: true, describe: "The capsule's directory" } as const;

export function addCapsuleNew(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "new <id>",
    "Write a small capsule to start from",
    (args) =>
      args
        .positional("id", { type: "string", demandOption: true, describe: "Such as acme.greeter" })
        .option("dir", {
          type: "string",
          requiresArg: true,
          describe: "Where; default: the last part of the id",
        })
        .option("language", {
          choices: TEMPLATE_LANGUAGES,
          default: "typescript" as const,
          describe: "What it is written in",
        }),
    async (args) => {
      const dir = args.dir ?? args.id.split(".").at(-1) ?? args.id;
      const files = await writeTemplate(dir, args.id, args.language);
      const compile = languageTemplates[args.language].compile?.command(dir);
      const build = shell.output.next(`vnes capsule build ${shellWord(dir)}`);
      const next = `next: ${compile === undefined ? "" : `${compile} && `}${build}`;
      const text = [`${dir}/`, ...files.map((file) => `  ${file}`), next].join("\n");
      shell.output.data("vnes.capsule.new.v1", { id: args.id, dir, files }, text);
    },
  );
}

export function addCapsuleBuild(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "build <dir>",
    "Compile src/ into impl/, write the receipt and sign it with the local build key",
    (args) =>
      args.positional("dir", DIR).option("key", {
        type: "string",
        requiresArg: true,
        describe: "Name or id of another key to sign with; only its signature counts then",
      }),
    async (args) => {
      const { dir, key } = args;
      const { authority } = await openJudges(await findPlace(shell, args));
      const { buildCapsule } = await import("@vnes/registry");
      const options = { authority, key, libraries: await programLibraries() };
      const built = await buildCapsule(dir, options).catch((error: unknown) => {
        throw notCompiled(error, dir);
      });
      const { manifest, receipt, image } = built;
      const { id, version } = manifest;
      const signers = receipt.signatures.map(({ role, key_id }) => `${role} ${key_id}`);
      const text = [
        fields([
          ["capsule", `${id} ${version}`],
          ["image", shortHash(image.hash)],
          ["files", image.files.length],
          ["signed", signers.join(", ")],
        ]),
        shell.output.next(`next: vnes capsule verify ${shellWord(args.dir)}`),
      ].join("\n");
      shell.output.data("vnes.capsule.build.v1", { id, version, image: image.hash, receipt }, text);
    },
  );
}

/** The command that `capsule new` named, for who built without it. */
function notCompiled(error: unknown, dir: string): unknown {
  const compile = isVnesError(error) && error.code === "BUILD_NOTHING_TO_BUILD" ? compileOf(dir) : undefined;
  if (compile === undefined) return error;
  const next = `${compile.command} && vnes capsule build ${shellWord(dir)}`;
  return cliErrors.create("CAPSULE_NOT_COMPILED", { dir, source: compile.source, next }, error);
}

export function addCapsuleSign(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "sign <dir>",
    "Add a signature to the receipt that is there, without building",
    (args) =>
      args
        .positional("dir", DIR)
        .option("role", { choices: SIGNATURE_ROLES, default: "build" as const })
        .option("key", {
          type: "string",
          default: "build",
          requiresArg: true,
          describe: "Name or id of the key",
        }),
    async (args) => {
      const { authority, trust, policy } = await openJudges(await findPlace(shell, args));
      const { signCapsule, verifyCapsule } = await import("@vnes/registry");
      const receipt = await signCapsule(args.dir, args.role, args.key, authority.keys);
      const { signatures } = receipt;
      // Others may still sign, and other machines trust other keys: it is said, and is no failure.
      const missing = (await verifyCapsule(args.dir, { trust, policy })).evidence.findings.signatures;
      const text = [
        ...signatures.map(({ role, key_id }) => `${role.padEnd(10)}  ${key_id}`),
        missing.length === 0
          ? shell.output.next(`next: vnes capsule verify ${shellWord(args.dir)}`)
          : `signed, and not enough on this machine\n${reasonsText(shell.output, missing)}`,
      ].join("\n");
      shell.output.data("vnes.capsule.sign.v1", { capsule: receipt.capsule, signatures, missing }, text);
    },
  );
}

export function addCapsuleVerify(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "verify <dir|id>",
    "Say whether this machine would admit a capsule, with every reason why not",
    (args) =>
      args
        .positional("dir", {
          ...DIR,
          describe: "The capsule's directory, or the id of an installed or built-in one",
        })
        .option("rebuild", {
          type: "boolean",
          default: false,
          describe: "Also build src/ again and compare impl/",
        }),
    async (args) => {
      const place = await findPlace(shell, args);
      const { authority, trust, policy } = await openJudges(place);
      const { registryErrors, verifyCapsule, verifyInstalled } = await import("@vnes/registry");
      const libraries = await programLibraries();
      const options = { trust, policy, rebuild: args.rebuild, libraries };
      let verified: Verified | null = null;
      if (CAPSULE_ID.test(args.dir) && !existsSync(args.dir)) {
        const registry = await openRegistry(place);
        await setUpBuiltins(place, authority, registry, undefined);
        verified = await verifyInstalled(registry, args.dir, options);
        if (verified === null) throw registryErrors.create("REGISTRY_CAPSULE_UNKNOWN", { id: args.dir });
      }
      verified ??= await verifyCapsule(args.dir, options);
      // What is installed under that id says what its topics promised; what the capsule may ask for is install's question.
      const before =
        verified.manifest === null ? undefined : await installedVersion(place, verified.manifest.id);
      if (before !== undefined && !verified.origin.startsWith("registry:")) {
        verified = await verifyCapsule(args.dir, { ...options, installedTopics: before.installedTopics });
      }
      await sayVerdict(shell, args.dir, verified, args.rebuild);
    },
  );
}

async function sayVerdict(
  shell: Shell,
  dir: string,
  { verdict, image, manifest, origin }: Verified,
  rebuilt: boolean,
): Promise<void> {
  const { output } = shell;
  const name = manifest === null ? dir : `${manifest.id} ${manifest.version}`;
  const { kind, warnings } = verdict;
  const reasons = verdict.kind === "quarantined" ? verdict.reasons : [];
  // Only the build of TypeScript is ours to repeat; of anything else nothing was built again.
  const hasSource = image.files.some(({ path }) => path === "src/main.ts");
  const again = !rebuilt
    ? ""
    : hasSource
      ? ", rebuilt with equal bytes"
      : "; not rebuilt: vnes builds src/main.ts alone, impl/ was held to its hashes";
  const head =
    kind === "verified"
      ? `${output.paint("green", "verified")}  ${name}  image ${shortHash(image.hash)}${again}`
      : `${output.paint("red", "refused")}  ${name}  ${reasons.length === 1 ? "1 reason" : `${reasons.length} reasons`}`;
  const text = [
    head,
    reasonsText(output, reasons),
    warnings.length === 0 ? "" : `warnings\n${reasonsText(output, warnings)}`,
  ];
  const value = { dir, verdict: kind, id: manifest?.id ?? null, image: image.hash, reasons, warnings };
  const isInstalled = origin.startsWith("registry:");
  const next =
    kind === "verified" && !isInstalled
      ? `\n${output.next(`next: vnes capsule install ${shellWord(dir)}`)}`
      : "";
  output.data("vnes.capsule.verify.v1", value, `${text.filter((part) => part !== "").join("\n\n")}${next}`);
  if (kind === "verified") return;
  const { gravestExit } = await import("../error-tables.ts");
  const codes = reasons.map(({ code }) => code);
  shell.fail(gravestExit(codes, "integrity"));
}

export function addCapsuleInstall(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "install <dir>",
    "Verify a capsule and put it into the local registry, from where nodes boot it",
    (args) =>
      args
        .positional("dir", DIR)
        .option("allow-downgrade", {
          type: "boolean",
          default: false,
          describe: "Go back to an older version",
        })
        .option("allow-widened", {
          type: "boolean",
          default: false,
          describe: "Accept that it asks for more than before",
        })
        .option("replace", { type: "boolean", default: false, describe: "Same version, other content" }),
    async (args) => {
      const place = await findPlace(shell, args);
      const { trust, policy } = await openJudges(place);
      const { allowDowngrade, allowWidened, replace } = args;
      const { verifyCapsule } = await import("@vnes/registry");
      const first = await verifyCapsule(args.dir, { trust, policy });
      const before = first.manifest === null ? undefined : await installedVersion(place, first.manifest.id);
      const again = { trust, policy, allowWidened, ...before };
      const verified = before === undefined ? first : await verifyCapsule(args.dir, again);
      if (verified.verdict.kind === "quarantined") {
        await sayVerdict(shell, args.dir, verified, false);
        const { gravestExit } = await import("../error-tables.ts");
        const codes = [...new Set(verified.verdict.reasons.map(({ code }) => code))];
        const error = cliErrors.create("CAPSULE_NOT_VERIFIED", { dir: args.dir, codes: codes.join(", ") });
        throw Object.assign(error, { exit: gravestExit(codes, "integrity") });
      }
      const done = await (await openRegistry(place)).install(verified, { allowDowngrade, replace });
      const { id, version, image, changed } = done;
      const text = changed
        ? `installed  ${id} ${version}  image ${shortHash(image)}\n${shell.output.next("next: vnes boot, or restart the node that runs")}`
        : `unchanged  ${id} ${version}  image ${shortHash(image)} was installed already`;
      shell.output.data("vnes.capsule.install.v1", { id, version, image, changed }, text);
    },
  );
}

export function addCapsuleUninstall(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "uninstall <id>",
    "Take a capsule out of the local registry; what nodes recorded of it stays with them",
    (args) => args.positional("id", { type: "string", demandOption: true, describe: "Such as acme.greeter" }),
    async (args) => {
      const { id } = args;
      if (id.startsWith(BUILT_IN)) throw cliErrors.create("CAPSULE_BUILT_IN", { id });
      const { version, image, origin } = await (await openRegistry(await findPlace(shell, args))).uninstall(
        id,
      );
      const again = `again: vnes capsule install ${shellWord(origin)}`;
      const text = [
        `uninstalled  ${id} ${version}  image ${shortHash(image)}`,
        shell.output.next(`next: restart the node that runs it, or vnes capsule unload ${id}; ${again}`),
      ].join("\n");
      shell.output.data("vnes.capsule.uninstall.v1", { id, version, image }, text);
    },
  );
}

/** What a new version of `id` is compared with. */
async function installedVersion(
  place: Place,
  id: string,
): Promise<
  { readonly installed: Manifest; readonly installedTopics: readonly TopicDefinition[] } | undefined
> {
  const registry = await openRegistry(place);
  const { manifestOf } = await import("@vnes/registry");
  const { topicOffers } = await import("@vnes/kernel");
  const current = await registry.current(id);
  if (current === null) return undefined;
  try {
    const image = await registry.readImage(current.image, current.origin);
    const installedTopics = topicOffers(image).map(({ definition }) => definition);
    return { installed: manifestOf(image, current.origin), installedTopics };
  } catch (error) {
    // What is installed is damaged, and this is the way to repair it: there is nothing left to compare with.
    if (isVnesError(error) && error.code === "IMAGE_HASH_MISMATCH") return undefined;
    throw error;
  }
}
