/* The limit: a loop of send() in C, the least work by which one core can tell every viewer.
 *
 * limit PORT NATS_PORT SUBJECT...
 *
 * Follows the subjects on NATS and sends each message to every viewer, one frame, one send(). There is
 * nothing else in it: no rooms, no replay, no heartbeats, no reading of what viewers say. It answers
 * every handshake with the accept key of RFC 6455's example, which is the key that the load sends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_VIEWERS = 65536, BUFFER = 1 << 20 };

static int viewers[MOST_VIEWERS], viewer_count;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void send_whole(int fd, const char *bytes, size_t length) {
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            struct pollfd full = {.fd = fd, .events = POLLOUT};
            if (errno != EAGAIN) return;
            poll(&full, 1, 1000);
            continue;
        }
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void broadcast(const char *text, size_t length) {
    static char frame[65536 + 4];
    size_t head = length < 126 ? 2 : 4;
    frame[0] = (char)0x81;
    frame[1] = (char)(length < 126 ? length : 126);
    if (head == 4) frame[2] = (char)(length >> 8), frame[3] = (char)length;
    memcpy(frame + head, text, length);
    for (int i = 0; i < viewer_count; i++) send_whole(viewers[i], frame, head + length);
}

/* NATS in: lines, and after a MSG line as many bytes as its last word says. */
static void follow(int nats) {
    static char held[BUFFER];
    static size_t length;
    ssize_t got = recv(nats, held + length, sizeof held - length, 0);
    if (got <= 0) exit(0);
    length += (size_t)got;
    size_t used = 0;
    for (;;) {
        char *line = held + used, *end = memmem(line, length - used, "\r\n", 2);
        if (!end) break;
        size_t line_length = (size_t)(end + 2 - line);
        if (!memcmp(line, "MSG ", 4)) {
            char *size_at = memrchr(line, ' ', line_length);
            size_t size = (size_t)atoi(size_at + 1);
            if (length - used < line_length + size + 2) break;
            broadcast(end + 2, size);
            used += line_length + size + 2;
            continue;
        }
        if (!memcmp(line, "PING", 4)) send_whole(nats, "PONG\r\n", 6);
        used += line_length;
    }
    length -= used;
    memmove(held, held + used, length);
}

static void accept_all(int listener, int epoll) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void leave(int fd) {
    for (int i = 0; i < viewer_count; i++)
        if (viewers[i] == fd) viewers[i] = viewers[--viewer_count];
    close(fd);
}

static void hear(int fd) {
    static const char accepted[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    char request[4096];
    ssize_t got = recv(fd, request, sizeof request, 0);
    if (got <= 0) {
        leave(fd);
    } else if (got > 4 && !memcmp(request, "GET ", 4)) {
        viewers[viewer_count++] = fd;
        send_whole(fd, accepted, sizeof accepted - 1);
    }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int yes = 1, epoll = epoll_create1(0);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), nats = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = loopback(argv[1]), bus = loopback(argv[2]);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)) die("listen");
    if (connect(nats, (struct sockaddr *)&bus, sizeof bus)) die("nats");
    dprintf(nats, "CONNECT {\"verbose\":false}\r\n");
    for (int id = 3; id < argc; id++) dprintf(nats, "SUB %s %d\r\n", argv[id], id);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = nats;
    epoll_ctl(epoll, EPOLL_CTL_ADD, nats, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) accept_all(listener, epoll);
            else if (fd == nats) follow(nats);
            else hear(fd);
        }
    }
}
