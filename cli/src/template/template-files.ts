/** The text of a new capsule: it greets by name, counts whom it greeted, and says so on a topic of its own. */
import { languageTemplates, type TemplateLanguage } from "./languages.ts";

type Files = readonly (readonly [path: string, text: string])[];

export function templateFiles(id: string, language: TemplateLanguage): Files {
  // The capability is the id itself, so that two capsules made from this never provide the same one.
  const topic = `${id}.greeted.v1`;
  return [
    ["manifest.json", json(manifest(id, topic, language))],
    ["spec/logic.md", logic(id, topic)],
    ["spec/schema.json", json(schema(id))],
    [`spec/topics/${topic}.json`, json(topicDefinition(id, topic))],
    ...languageTemplates[language].sources(id, topic),
  ];
}

function manifest(id: string, topic: string, language: TemplateLanguage): object {
  const { interfaces, tier } = languageTemplates[language];
  return {
    schema_version: "v1.0",
    id,
    version: "0.1.0",
    type: "logic",
    description: "Greets by name and counts whom it greeted",
    capabilities: {
      provides: [id],
      requires: [],
      input_schemas: [`spec/schema.json#/$defs/${id}.greet.input`],
      output_schemas: [`spec/schema.json#/$defs/${id}.greet.output`],
      determinism_tier: tier,
      latency_class: "interactive",
    },
    interfaces,
    governance: { tier: "local", audit_level: "low" },
    runtime: { language, timeout_ms: 100, memory_limit_mb: 32 },
    security: { trust_zone: "ephemeral" },
    bus: { publishes: [topic], subscribes: [] },
    state: { owns: ["greeted/"] },
  };
}

function schema(id: string): object {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $defs: {
      [`${id}.greet.input`]: {
        type: "object",
        required: ["name"],
        properties: { name: { type: "string", minLength: 1, maxLength: 64 } },
        additionalProperties: false,
      },
      [`${id}.greet.output`]: {
        type: "object",
        required: ["greeting", "times"],
        properties: { greeting: { type: "string" }, times: { type: "integer", minimum: 1 } },
        additionalProperties: false,
      },
    },
  };
}

function topicDefinition(id: string, topic: string): object {
  return {
    schema_version: "v1",
    topic,
    owner: id,
    description: "Somebody was greeted",
    schemas: [
      {
        type: "object",
        required: ["name", "times"],
        properties: { name: { type: "string" }, times: { type: "integer", minimum: 1 } },
        additionalProperties: false,
      },
    ],
    partition: { count: 1 },
    quality: "exactly_once",
    retention: { max_events: 1000 },
    flow: { policy: "block", buffer: 64 },
  };
}

function logic(id: string, topic: string): string {
  return `# ${id}

\`greet {name}\` answers with a greeting and how often that name was greeted, and publishes the same on
\`${topic}\`. The count is in the capsule's own keys, so it survives a restart of the node.
`;
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
