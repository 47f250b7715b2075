/* Many WebSocket viewers in one thread: joins them to a server, counts and times what each receives.
 *
 * Started with where to connect, then told what to do by lines on stdin; each is answered by one
 * line of JSON on stdout:
 *
 *   join N [MS]     N more viewers, all at once; answered when every one is served, or after MS
 *   reset [TIMED]   counts start again, for the viewers that are in by now; 0: no times are taken
 *   expect N MS     answered when N data frames have come since the reset, or after MS
 *   pings MS        from now on each viewer sends a ping every MS; 0: none
 *   report          what has come since the reset
 *   quit
 *
 * A viewer is served when its handshake is accepted and, with --hello, when the `hello` and as many
 * frames as it announces as `replayed` have come. A data frame is one that holds "seq":, wherever
 * in its text, so servers may wrap or join what they send. Every viewer's seqs have to rise: those
 * that do not are counted as `disordered`. What the thread itself used of its core stands in every
 * answer (`cpu_seconds`), so that a run in which the load was the bottleneck shows.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

enum { BUFFER = 4 << 20, DIALS_A_TURN = 64, EVENTS_A_TURN = 512, BINS = 1 << 20, BIN_US = 10 };
/* An address has 28,232 ports by default, and connect() tries every other one first. */
enum { VIEWERS_A_SOURCE = 10000 };
enum state { CONNECTING, SECURING, SHAKING_HANDS, AWAITING_HELLO, AWAITING_REPLAY, SERVED, GONE };

struct viewer {
    int fd;
    enum state state;
    int replay_left;
    int64_t last_seq;
    char *partial; /* the beginning of a frame whose rest has not come */
    size_t partial_length;
#ifdef WITH_TLS
    SSL *ssl;
#endif
};

static struct {
    int port, rooms, ping_every_ms, return_every_ms, stamp_us, most_joining;
    in_addr_t source; /* of the first viewers, in host order; 0: as the system chooses */
    const char *host, *path, *greeting, *stamp, *subprotocol;
    bool hello, nats, centrifuge, engine_io, tls;
} options = {
    .port = 8787, .rooms = 1, .host = "127.0.0.1", .path = "/ws/connect?room=main", .most_joining = INT_MAX};

static struct viewer *viewers;
static int viewer_count, viewer_wanted, served, gone, measured, epoll;
static char *buffer;
static bool is_timed;

static struct {
    uint64_t frames, other_frames, hellos, pongs, bytes, bytes_sent, disordered;
    double started_at, first_at, last_at, cpu_before;
    uint64_t timed, worst_us;
    uint32_t late[BINS];
} counts;

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* ---- sending: handshakes, greetings and pings are small, so a full socket buffer is a failure */

static void put(struct viewer *v, const void *bytes, size_t length) {
    ssize_t sent;
#ifdef WITH_TLS
    if (v->ssl)
        sent = SSL_write(v->ssl, bytes, (int)length);
    else
#endif
        sent = send(v->fd, bytes, length, MSG_NOSIGNAL);
    counts.bytes_sent += length;
    if (sent != (ssize_t)length && errno != EPIPE && errno != ECONNRESET) die("send");
}

static void put_frame(struct viewer *v, int opcode, const char *text, size_t length) {
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char frame[512];
    size_t head = length < 126 ? 2 : 4;
    if (length > sizeof frame - 8) length = sizeof frame - 8;
    frame[0] = (unsigned char)(0x80 | opcode);
    if (length < 126) {
        frame[1] = (unsigned char)(0x80 | length);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (unsigned char)(length >> 8);
        frame[3] = (unsigned char)length;
    }
    memcpy(frame + head, mask, 4);
    for (size_t i = 0; i < length; i++) frame[head + 4 + i] = (unsigned char)(text[i] ^ mask[i & 3]);
    put(v, frame, head + 4 + length);
}

static void shake_hands(struct viewer *v) {
    char request[1024], path[512], subprotocol[64] = "";
    int index = (int)(v - viewers) % options.rooms;
    snprintf(path, sizeof path, options.path, index);
    if (options.subprotocol)
        snprintf(subprotocol, sizeof subprotocol, "Sec-WebSocket-Protocol: %s\r\n", options.subprotocol);
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Version: 13\r\n%s\r\n",
                          path, options.host, subprotocol);
    v->state = SHAKING_HANDS;
    put(v, request, (size_t)length);
}

/* ---- receiving: every nanosecond a frame counts, since three million may come in a second */

static void leave(struct viewer *v) {
    if (v->state == SERVED) served--;
    v->state = GONE;
    gone++;
    close(v->fd);
}

static void is_served(struct viewer *v) {
    v->state = SERVED;
    served++;
}

static int64_t read_number(const char *text) {
    int64_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++) number = number * 10 + (*text - '0');
    return number;
}

static void time_frame(const char *payload, size_t length, double at) {
    const char *key = memmem(payload, length, options.stamp, strlen(options.stamp));
    if (!key) return;
    double stamp = (double)read_number(key + strlen(options.stamp)) * options.stamp_us;
    int64_t late = (int64_t)(at - stamp);
    if (late < 0) late = 0;
    counts.late[late / BIN_US < BINS ? late / BIN_US : BINS - 1]++;
    counts.timed++;
    if ((uint64_t)late > counts.worst_us) counts.worst_us = (uint64_t)late;
}

static void take_data(struct viewer *v, const char *payload, size_t length, double at) {
    const char *end = payload + length, *next = payload;
    if (options.hello && v->state == AWAITING_HELLO) {
        const char *replayed = memmem(payload, length, "\"replayed\":", 11);
        if (!replayed) return;
        v->replay_left = atoi(replayed + 11);
        counts.hellos++;
        v->state = AWAITING_REPLAY;
        if (v->replay_left == 0) is_served(v);
        return;
    }
    if (length > 14 && memcmp(payload, "{\"type\":\"hello", 14) == 0) {
        counts.hellos++; /* a fresh one: this viewer lagged, and what it missed is in the state */
        return;
    }
    static const char usual[] = "{\"type\":\"message\",\"seq\":";
    bool any = false, is_alone = length > sizeof usual && memcmp(payload, usual, sizeof usual - 1) == 0;
    /* A frame that begins as a message is that message alone: no need to look for the next. */
    if (is_alone) next += sizeof usual - 7;
    while ((next = memmem(next, (size_t)(end - next), "\"seq\":", 6))) {
        int64_t seq = read_number(next + 6);
        next += 6;
        any = true;
        if (seq <= v->last_seq) counts.disordered++;
        v->last_seq = seq;
        if (v->state == AWAITING_REPLAY) {
            if (--v->replay_left == 0) is_served(v);
            continue;
        }
        if (v - viewers >= measured) continue;
        counts.frames++;
        if (counts.first_at == 0) counts.first_at = at;
        counts.last_at = at;
        if (is_timed) time_frame(payload, length, at);
        if (is_alone) break;
    }
    if (any) return;
    if (length > 13 && memcmp(payload, "{\"type\":\"pong", 13) == 0)
        counts.pongs++;
    else
        counts.other_frames++;
    if (options.nats && memmem(payload, length, "PING\r\n", 6)) put_frame(v, 2, "PONG\r\n", 6);
    if (options.centrifuge && length == 2 && memcmp(payload, "{}", 2) == 0) put_frame(v, 1, "{}", 2);
    if (options.engine_io && length == 1 && *payload == '2') put_frame(v, 1, "3", 1);
}

/* Takes what is whole in the bytes; returns how many were. */
static size_t take(struct viewer *v, char *bytes, size_t length, double at) {
    size_t used = 0;
    if (v->state == SHAKING_HANDS) {
        char *end = memmem(bytes, length, "\r\n\r\n", 4);
        if (!end) return 0;
        if (memcmp(bytes, "HTTP/1.1 101", 12) || !memmem(bytes, length, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28)) {
            leave(v);
            return length;
        }
        used = (size_t)(end + 4 - bytes);
        v->state = AWAITING_HELLO;
        if (options.greeting) put_frame(v, options.nats ? 2 : 1, options.greeting, strlen(options.greeting));
        if (!options.hello) is_served(v);
    }
    while (length - used >= 2) {
        unsigned char *frame = (unsigned char *)bytes + used;
        size_t head = 2, size = frame[1] & 0x7f;
        if (size == 126) {
            if (length - used < 4) break;
            size = (size_t)frame[2] << 8 | frame[3];
            head = 4;
        } else if (size == 127) {
            if (length - used < 10) break;
            size = 0;
            for (int i = 2; i < 10; i++) size = size << 8 | frame[i];
            head = 10;
        }
        if (length - used < head + size) break;
        int opcode = frame[0] & 0xf;
        char *payload = (char *)frame + head;
        if (opcode <= 2)
            take_data(v, payload, size, at);
        else if (opcode == 9)
            put_frame(v, 10, payload, size);
        used += head + size;
        if (opcode == 8) {
            leave(v);
            return length;
        }
    }
    return used;
}

static ssize_t get(struct viewer *v, char *into, size_t room) {
#ifdef WITH_TLS
    if (v->ssl) {
        size_t length = 0;
        int got;
        while (room - length > 16384 && (got = SSL_read(v->ssl, into + length, (int)(room - length))) > 0)
            length += (size_t)got;
        if (length) return (ssize_t)length;
        int error = SSL_get_error(v->ssl, -1);
        errno = EAGAIN;
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
    }
#endif
    return recv(v->fd, into, room, 0);
}

static void receive(struct viewer *v) {
    size_t held = v->partial_length;
    if (held) {
        memcpy(buffer, v->partial, held);
        free(v->partial);
        v->partial = NULL;
        v->partial_length = 0;
    }
    ssize_t got = get(v, buffer + held, BUFFER - held);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        leave(v);
        return;
    }
    if (got < 0) got = 0;
    if (v - viewers < measured) counts.bytes += (uint64_t)got;
    size_t length = held + (size_t)got, used = take(v, buffer, length, now_us());
    if (v->state != GONE && used < length) {
        v->partial_length = length - used;
        v->partial = malloc(v->partial_length);
        memcpy(v->partial, buffer + used, v->partial_length);
    }
}

/* ---- joining */

#ifdef WITH_TLS
static SSL_CTX *tls;

static void secure(struct viewer *v) {
    if (!v->ssl) {
        v->ssl = SSL_new(tls);
        SSL_set_fd(v->ssl, v->fd);
        SSL_set_connect_state(v->ssl);
        v->state = SECURING;
    }
    int done = SSL_do_handshake(v->ssl);
    if (done == 1) {
        shake_hands(v);
        return;
    }
    int error = SSL_get_error(v->ssl, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) leave(v);
}
#endif

static void dial(struct viewer *v) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(v, 0, sizeof *v);
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (v->fd < 0) die("socket");
    int yes = 1;
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    /* Ends with a reset, so that a run leaves no ports waiting for the next one. */
    struct linger reset = {.l_onoff = 1};
    setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (options.source) {
        struct sockaddr_in here = {.sin_family = AF_INET};
        here.sin_addr.s_addr = htonl(options.source + (in_addr_t)((v - viewers) / VIEWERS_A_SOURCE));
        /* connect() chooses the port then, of those that are free for this destination. */
        setsockopt(v->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        if (bind(v->fd, (struct sockaddr *)&here, sizeof here) < 0) die("bind");
    }
    if (connect(v->fd, (struct sockaddr *)&there, sizeof there) < 0 && errno != EINPROGRESS) die("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u64 = (uint64_t)(v - viewers) + 1};
    epoll_ctl(epoll, EPOLL_CTL_ADD, v->fd, &event);
}

static bool may_dial(void) {
    return viewer_count < viewer_wanted && viewer_count - served - gone < options.most_joining;
}

static void is_connected(struct viewer *v) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        leave(v);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)(v - viewers) + 1};
    epoll_ctl(epoll, EPOLL_CTL_MOD, v->fd, &event);
#ifdef WITH_TLS
    if (options.tls) {
        secure(v);
        return;
    }
#endif
    shake_hands(v);
}

static void ready(struct viewer *v, uint32_t events) {
    if (v->state == GONE) return;
    if (v->state == CONNECTING) {
        if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) is_connected(v);
        return;
    }
#ifdef WITH_TLS
    if (v->state == SECURING) {
        secure(v);
        return;
    }
#endif
    receive(v);
}

/* ---- pings: every viewer one in `--ping-every` milliseconds, spread evenly, each with its report */

static void send_pings(void) {
    static double owed_since;
    static uint64_t next;
    double now = now_us();
    if (!options.ping_every_ms || !viewer_count) {
        owed_since = now;
        return;
    }
    double each_us = options.ping_every_ms * 1000.0 / viewer_count;
    for (; now - owed_since >= each_us; owed_since += each_us) {
        struct viewer *v = &viewers[next++ % (uint64_t)viewer_count];
        char text[128];
        int length = snprintf(text, sizeof text, "{\"type\":\"ping\",\"id\":%llu,\"seq\":%lld,\"error_ms\":0.6}",
                              (unsigned long long)next, (long long)v->last_seq);
        if (v->state == SERVED) put_frame(v, 1, text, (size_t)length);
    }
}

/* ---- returns: one viewer in `--return-every` milliseconds leaves, and comes as a new one */

static void send_one_away(void) {
    static double owed_since;
    static uint64_t next;
    double now = now_us();
    if (!options.return_every_ms || !viewer_count || viewer_count < viewer_wanted) return;
    if (!owed_since) owed_since = now;
    if (now - owed_since < options.return_every_ms * 1000.0) return;
    owed_since += options.return_every_ms * 1000.0;
    struct viewer *v = &viewers[next++ % (uint64_t)viewer_count];
    if (v->state != SERVED) return;
    served--;
    free(v->partial);
    close(v->fd);
    dial(v);
}

/* ---- answering */

/* The whole distribution in one pass: a value for every half per cent, then 99.9 and 99.99 per cent. */
static void print_lateness(void) {
    uint64_t seen = 0;
    int bin = -1;
    for (int step = 0; step < 202; step++) {
        double q = step < 200 ? step / 200.0 : step == 200 ? 0.999 : 0.9999;
        while (counts.timed && seen <= (uint64_t)(q * (double)counts.timed)) seen += counts.late[++bin];
        printf("%s%.3f", step ? "," : "", bin < 0 ? 0 : (bin + 0.5) * BIN_US / 1000.0);
    }
}

static void report(void) {
    double now = now_us();
    printf("{\"viewers\":%d,\"served\":%d,\"gone\":%d,\"frames\":%llu,\"other_frames\":%llu,\"hellos\":%llu,"
           "\"pongs\":%llu,\"bytes\":%llu,\"bytes_sent\":%llu,\"disordered\":%llu,\"seconds\":%.6f,\"cpu_seconds\":%.6f,"
           "\"first_to_last_seconds\":%.6f,\"last_at_us\":%.0f,",
           viewer_count, served, gone, (unsigned long long)counts.frames, (unsigned long long)counts.other_frames,
           (unsigned long long)counts.hellos, (unsigned long long)counts.pongs, (unsigned long long)counts.bytes,
           (unsigned long long)counts.bytes_sent, (unsigned long long)counts.disordered,
           (now - counts.started_at) / 1e6, cpu_seconds() - counts.cpu_before,
           (counts.last_at - counts.first_at) / 1e6, counts.last_at);
    printf("\"timed\":%llu,\"worst_ms\":%.3f,\"late_ms\":[", (unsigned long long)counts.timed,
           (double)counts.worst_us / 1000.0);
    print_lateness();
    printf("]}\n");
    fflush(stdout);
}

static void reset(void) {
    memset(&counts, 0, sizeof counts);
    counts.started_at = now_us();
    counts.cpu_before = cpu_seconds();
    measured = viewer_count;
}

static struct {
    enum { NOTHING, SERVING, FRAMES } what;
    uint64_t wanted;
    double until;
} awaited;

static void look(void) {
    if (awaited.what == NOTHING) return;
    uint64_t have = awaited.what == SERVING ? (uint64_t)(served + gone) : counts.frames;
    if (have < awaited.wanted && now_us() < awaited.until) return;
    awaited.what = NOTHING;
    report();
}

static void obey(char *line) {
    long long n = 0, ms = 60000;
    if (sscanf(line, "join %lld %lld", &n, &ms) >= 1) {
        viewers = realloc(viewers, sizeof *viewers * (size_t)(viewer_wanted + n));
        viewer_wanted += (int)n;
        awaited.what = SERVING;
        awaited.wanted = (uint64_t)viewer_wanted;
    } else if (sscanf(line, "expect %lld %lld", &n, &ms) >= 1) {
        awaited.what = FRAMES;
        awaited.wanted = (uint64_t)n;
    } else if (sscanf(line, "reset %lld", &n) == 1) {
        is_timed = n && options.stamp;
        reset();
        report();
        counts.cpu_before = cpu_seconds();
    } else if (sscanf(line, "pings %lld", &n) == 1) {
        options.ping_every_ms = (int)n;
        report();
    } else if (!strncmp(line, "report", 6)) {
        report();
    } else {
        exit(0);
    }
    awaited.until = now_us() + (double)ms * 1000;
}

static void read_orders(void) {
    static char orders[4096];
    static size_t length;
    ssize_t got = read(0, orders + length, sizeof orders - 1 - length);
    if (got <= 0) exit(0);
    length += (size_t)got;
    orders[length] = 0;
    char *end;
    while ((end = strchr(orders, '\n'))) {
        *end = 0;
        obey(orders);
        length -= (size_t)(end + 1 - orders);
        memmove(orders, end + 1, length + 1);
    }
}

static void read_options(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(name, "--hello")) options.hello = true;
        else if (!strcmp(name, "--nats")) options.nats = true;
        else if (!strcmp(name, "--centrifuge")) options.centrifuge = true;
        else if (!strcmp(name, "--engine-io")) options.engine_io = true;
        else if (!strcmp(name, "--tls")) options.tls = true;
        else {
            i++;
            if (!strcmp(name, "--port")) options.port = atoi(value);
            else if (!strcmp(name, "--host")) options.host = value;
            else if (!strcmp(name, "--path")) options.path = value;
            else if (!strcmp(name, "--rooms")) options.rooms = atoi(value);
            else if (!strcmp(name, "--greeting")) options.greeting = value;
            else if (!strcmp(name, "--ping-every")) options.ping_every_ms = atoi(value);
            else if (!strcmp(name, "--return-every")) options.return_every_ms = atoi(value);
            else if (!strcmp(name, "--subprotocol")) options.subprotocol = value;
            else if (!strcmp(name, "--most-joining")) options.most_joining = atoi(value);
            else if (!strcmp(name, "--source")) options.source = ntohl(inet_addr(value));
            else if (!strcmp(name, "--stamp-us")) options.stamp = value, options.stamp_us = 1;
            else if (!strcmp(name, "--stamp-ms")) options.stamp = value, options.stamp_us = 1000;
            else {
                fprintf(stderr, "load: no such option: %s\n", name);
                exit(2);
            }
        }
    }
}

int main(int argc, char **argv) {
    read_options(argc, argv);
#ifdef WITH_TLS
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
#else
    if (options.tls) {
        fprintf(stderr, "load: built without TLS\n");
        return 2;
    }
#endif
    buffer = malloc(BUFFER);
    epoll = epoll_create1(0);
    struct epoll_event orders = {.events = EPOLLIN, .data.u64 = 0};
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &orders);
    reset();
    struct epoll_event events[EVENTS_A_TURN];
    for (;;) {
        for (int i = 0; i < DIALS_A_TURN && may_dial(); i++) dial(&viewers[viewer_count++]);
        int wait_ms = may_dial() ? 0 : options.ping_every_ms ? 1 : awaited.what ? 20 : -1;
        int count = epoll_wait(epoll, events, EVENTS_A_TURN, wait_ms);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == 0) read_orders();
            else ready(&viewers[events[i].data.u64 - 1], events[i].events);
        }
        send_pings();
        send_one_away();
        look();
    }
}
