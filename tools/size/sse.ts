// The client side of Server-Sent Events alone, with what it takes from core.
export { sse } from "@raceway/transport-sse/client";
