/** The text of a new capsule: it greets by name, counts whom it greeted, and says so on a topic of its own. */

export function templateFiles(id: string): readonly (readonly [path: string, text: string])[] {
  // The capability is the id itself, so that two capsules made from this never provide the same one.
  const topic = `${id}.greeted.v1`;
  return [
    ["manifest.json", json(manifest(id, topic))],
    ["spec/logic.md", logic(id, topic)],
    ["spec/schema.json", json(schema(id))],
    [`spec/topics/${topic}.json`, json(topicDefinition(id, topic))],
    ["src/main.ts", source(id, topic)],
  ];
}

function manifest(id: string, topic: string): object {
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
      determinism_tier: "D0_bit_exact",
      latency_class: "interactive",
    },
    interfaces: { javascript: "impl/main.js" },
    governance: { tier: "local", audit_level: "low" },
    runtime: { language: "typescript", timeout_ms: 100, memory_limit_mb: 32 },
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

function source(id: string, topic: string): string {
  return `import { capsule, type Json } from "@vnes/sdk";

export default capsule({
  calls: {
    "${id}.greet": (turn, input): Json => {
      // The kernel has checked the input against spec/schema.json.
      const { name } = input as { readonly name: string };
      const key = \`greeted/\${name}\`;
      const times = ((turn.keys.get(key) as number | undefined) ?? 0) + 1;
      turn.keys.set(key, times);
      turn.publish("${topic}", name, { name, times });
      return { greeting: \`Hello, \${name}!\`, times };
    },
  },
});
`;
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
