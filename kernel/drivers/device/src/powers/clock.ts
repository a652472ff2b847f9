import type { DriverClock } from "@vnes/sdk/driver";

export const deviceClock: DriverClock = {
  now: () => performance.now(),
  setTimer(afterMs, wake) {
    const timer = setTimeout(wake, Math.ceil(afterMs));
    return () => clearTimeout(timer);
  },
};
