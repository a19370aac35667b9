// The web-standard side of a server: requests in, responses out.
export * from "./http-fetch.ts";
