/** The contract on drivers in memory: the same probe, loaded by the same runner, without a process of its own. */
import { type DeviceSpec, imageFile } from "@vnes/kernel";
import { MemoryDevice, type MemoryDriver } from "@vnes/driver-memory";
import { deviceContract } from "../../../contracts/device.ts";
import { type DriverRunner, startDriver } from "../src/driver-runner.ts";
import { createPowers } from "../src/powers/powers.ts";
import { driverImage } from "./image.ts";

const probe = (spec: DeviceSpec): MemoryDriver => {
  const bundle = new TextDecoder().decode(imageFile(spec.image, spec.entry)?.bytes);
  const { instance, entry, config } = spec;
  const powers = () =>
    createPowers({
      granted: spec.powers,
      keyFile: "/nonexistent",
      // Who runs in the kernel's own process hears it as long as it runs.
      lease: { isHeld: () => true },
      log: (level, message, data) =>
        spec.onLog(data === undefined ? { level, message } : { level, message, data }),
      publish: (topic, key, event) => spec.onPublish(topic, key, event),
    });
  let runner: DriverRunner | undefined;
  const started = startDriver({ instance, entry, bundle, config, powers }).then((made) => {
    runner = made;
    return made;
  });
  return {
    call: async ({ capability, method, input }) => (await started).call(capability, method, input),
    stop: () => void runner?.stop(),
  };
};

deviceContract({
  name: "memory device",
  open: async () => ({
    device: new MemoryDevice({ "test.probe": probe, "test.other": probe, "test.a": probe, "test.b": probe }),
    cleanup: async () => {},
  }),
  image: driverImage,
  async kill(device, _instance, name) {
    (device as MemoryDevice).kill(name, "killed by the test");
  },
  supports: { process: false },
});
