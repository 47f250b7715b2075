// A Durable Object that holds the viewers' WebSockets and sends each of them what comes from NATS.
import { DurableObject } from "cloudflare:workers";
import { connect } from "cloudflare:sockets";

export default {
  fetch: (request, env) => env.ROOM.get(env.ROOM.idFromName("main")).fetch(request),
};

export class Room extends DurableObject {
  viewers = new Set();
  following = null;

  async fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    this.viewers.add(server);
    server.addEventListener("close", () => this.viewers.delete(server));
    server.addEventListener("error", () => this.viewers.delete(server));
    this.following ??= this.follow();
    return new Response(null, { status: 101, webSocket: client });
  }

  // NATS speaks lines; after a MSG line come as many bytes as its last word says.
  async follow() {
    const socket = connect(this.env.NATS);
    const writer = socket.writable.getWriter();
    const encoder = new TextEncoder();
    await writer.write(encoder.encode(`CONNECT {"verbose":false}\r\nSUB ${this.env.SUBJECT} 1\r\n`));
    let held = "";
    for await (const text of socket.readable.pipeThrough(new TextDecoderStream())) {
      held += text;
      for (let end; (end = held.indexOf("\r\n")) >= 0; ) {
        const line = held.slice(0, end);
        let used = end + 2;
        if (line.startsWith("MSG ")) {
          const size = Number(line.slice(line.lastIndexOf(" ") + 1));
          if (held.length < used + size + 2) break;
          this.broadcast(held.slice(used, used + size));
          used += size + 2;
        } else if (line === "PING") {
          await writer.write(encoder.encode("PONG\r\n"));
        }
        held = held.slice(used);
      }
    }
  }

  broadcast(text) {
    for (const viewer of this.viewers) viewer.send(text);
  }
}
