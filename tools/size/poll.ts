// The client side of polling alone, with what it takes from core.
export { poll } from "@raceway/transport-poll/client";
