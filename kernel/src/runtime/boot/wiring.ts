/** Reads the topics and capabilities that a set of capsules brings along, from their images alone. */
import { compileSchema, type Json, topicsSubscribed } from "@vnes/schemas";
import { imageFile } from "../../admission/image.ts";
import { topicOffers } from "../../admission/topic-files.ts";
import { type Capability, type Capabilities, providedBy, readMethods } from "../../bus/capabilities.ts";
import type { SchemaCheck, Topic, Topics } from "../../bus/topics.ts";
import type { Capsule } from "../node/capsule-table.ts";

const decoder = new TextDecoder();

/** Topics of the capsules given; admission has checked each definition, binding that none is defined twice. */
export function topicsOf(capsules: readonly Capsule[]): Topics {
  const topics = new Map<string, Topic>();
  for (const { image } of capsules) {
    for (const { definition } of topicOffers(image)) {
      const subscribers = capsules
        .filter(({ manifest }) => topicsSubscribed(manifest).includes(definition.topic))
        .map(({ id }) => id)
        .sort();
      topics.set(definition.topic, { definition, subscribers, checks: lazily(definition.schemas) });
    }
  }
  return topics;
}

/** Capabilities of the capsules given, by name without version. */
export function capabilitiesOf(capsules: readonly Capsule[]): Capabilities {
  const capabilities = new Map<string, Capability>();
  for (const { id, manifest, image } of capsules) {
    const file = imageFile(image, "spec/schema.json");
    const schema: Json = file === undefined ? {} : (JSON.parse(decoder.decode(file.bytes)) as Json);
    for (const offer of manifest.capabilities.provides) {
      const name = nameOf(offer);
      const methods = readMethods(name, schema, (one) => lazily([one])[0] as SchemaCheck);
      const provided = { name, provider: id, methods, others: [] };
      const first = capabilities.get(name);
      // One capsule may provide several versions of a name; its methods are the same.
      if (first === undefined || providedBy(first, id) !== undefined)
        capabilities.set(name, first ?? provided);
      else capabilities.set(name, { ...first, others: [...first.others, provided] });
    }
  }
  return capabilities;
}

/** `vpn.session@^1` is about `vpn.session`. */
export function nameOf(requirement: string): string {
  const at = requirement.indexOf("@");
  return at < 0 ? requirement : requirement.slice(0, at);
}

/** Compiling a schema costs milliseconds; most are never used in the life of a node. */
function lazily(schemas: readonly Json[]): SchemaCheck[] {
  return schemas.map((schema) => {
    let check: SchemaCheck | undefined;
    return (value) => {
      check ??= compileSchema(schema);
      return check(value);
    };
  });
}
