// The web-standard side of a server: requests in, responses out.
export * from "./http-fetch.ts";
export { type HttpHandler, httpRouter, type HttpRouterOptions, type Mount } from "./http-router.ts";
