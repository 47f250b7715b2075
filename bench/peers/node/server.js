// Node's `ws`, each message sent to each client as its documentation shows, behind a NATS subscription.
import { connect } from "nats";
import { WebSocketServer } from "ws";

const { PORT, NATS_URL, SUBJECT } = process.env;

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(PORT),
  backlog: 4096,
  perMessageDeflate: false,
  clientTracking: true,
});

const bus = await connect({ servers: NATS_URL });
bus.subscribe(SUBJECT, {
  callback: (_error, message) => {
    for (const client of server.clients) client.send(message.data, { binary: false });
  },
});
