// Bun's own WebSocket publish (uWebSockets) behind a NATS subscription.
import { connect } from "nats";

const { PORT, NATS_URL, SUBJECT } = process.env;

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(PORT),
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("", { status: 400 })),
  websocket: {
    perMessageDeflate: false,
    open: (viewer) => viewer.subscribe("room"),
    message() {},
  },
});

const text = new TextDecoder();
const bus = await connect({ servers: NATS_URL });
bus.subscribe(SUBJECT, { callback: (_error, message) => server.publish("room", text.decode(message.data)) });
