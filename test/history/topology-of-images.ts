/** The topology of a set of capsules, from their images as a node has them. */
import { type CapsuleImage, imageFile } from "@vnes/kernel";
import { type Manifest, parseManifest, parseTopicDefinition, type TopicDefinition } from "@vnes/schemas";
import { type Topology, topologyOf } from "./topology.ts";

const TOPIC_FILE = /^spec\/topics\/[^/]+\.json$/;

export function topologyFrom(images: readonly CapsuleImage[]): Topology {
  const manifests: Manifest[] = [];
  const definitions: TopicDefinition[] = [];
  for (const image of images) {
    const file = imageFile(image, "manifest.json");
    const manifest = file === undefined ? undefined : parseManifest(file.bytes);
    if (manifest?.ok === true) manifests.push(manifest.value);
    for (const { path, bytes } of image.files) {
      const topic = TOPIC_FILE.test(path) ? parseTopicDefinition(bytes) : undefined;
      if (topic?.ok === true) definitions.push(topic.value);
    }
  }
  return topologyOf(manifests, definitions);
}
