// What a page with WebSocket needs when its users sign in by OpenID Connect.
export { signIn } from "@raceway/auth-oauth/client";
export { connect } from "@raceway/client";
export { websocket } from "@raceway/transport-websocket/client";
