import { type DriverDefinition, driver } from "@vnes/sdk/driver";
import { startTransport } from "./transport.ts";

const definition: DriverDefinition = driver({ start: startTransport });
export default definition;
