/*
 * ingest_serve.c -- where lines come from and answers go. The one part of ingest that waits for the system.
 */
#include "ingest_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

#define MS_NS INT64_C(1000000)

enum {
    SIGNAL_LOOK_MS = 500, /* a signal that comes just before poll does not end it */
    BATCH_AGE_MS = 100,
    ACCEPT_PAUSE_MS = 1000, /* after a connection that there are no means for */
    DRAIN_MS = 2000,
    LOCK_SUFFIX_BYTES = sizeof ".lock",
};

struct client {
    struct ingest_stream stream;
    int in, out;
    bool is_socket;
};

struct server {
    struct ingest *ingest;
    int listener; /* -1: none */
    struct client *clients[SERVE_CLIENTS_MAX];
    size_t count;
    int64_t batch_ns;  /* since when lines wait; 0: none do */
    int64_t accept_ns; /* no connection is accepted before */
    int64_t drain_ns;  /* until when; 0: no signal came */
    struct progress progress;
    uint64_t bytes;
};

static int64_t now_ns(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * MS_NS + now.tv_nsec;
}

/* ---- clients -------------------------------------------------------------------------------- */

/* NULL: no memory. The descriptors are the server's, sockets with them. */
static struct client *client_add(struct server *server, int in, int out, bool is_socket)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    *client = (struct client){ .in = in, .out = out, .is_socket = is_socket };
    server->clients[server->count++] = client;
    return client;
}

static void client_remove(struct server *server, size_t index)
{
    struct client *client = server->clients[index];
    if (client->is_socket)
        close(client->in);
    stream_release(&client->stream);
    free(client);
    server->clients[index] = server->clients[--server->count];
}

static bool client_has_answers(const struct client *client)
{
    return client->stream.answers_begin < client->stream.answers_end;
}

static bool client_wants_bytes(struct client *client)
{
    struct ingest_stream *stream = &client->stream;
    return !stream->is_at_end && !stream->is_gone && !stream_is_full(stream) &&
           !stream_has_line(stream);
}

/* Everything that it sent is answered, and the answers are taken, or never will be. */
static bool client_is_done(struct client *client, bool drains)
{
    struct ingest_stream *stream = &client->stream;
    if (stream->waiting > 0)
        return false;
    if (stream->is_gone)
        return true;
    return (stream->is_at_end || drains) && !client_has_answers(client) && !stream_has_line(stream);
}

static void client_read(struct server *server, struct client *client)
{
    struct ingest_stream *stream = &client->stream;
    size_t room;
    char *to = stream_room(stream, &room);
    if (to == NULL) {
        stream->is_gone = true;
        return;
    }
    ssize_t got =
        client->is_socket ? recv(client->in, to, room, MSG_DONTWAIT) : read(client->in, to, room);
    if (got > 0) {
        stream_filled(stream, (size_t)got);
        server->bytes += (uint64_t)got;
    } else if (got == 0) {
        stream->is_at_end = true;
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        if (!client->is_socket)
            say("stdin: %s", strerror(errno));
        stream->is_gone = true;
    }
}

static void client_write(struct client *client)
{
    struct ingest_stream *stream = &client->stream;
    const char *answers = stream->answers + stream->answers_begin;
    size_t count = stream->answers_end - stream->answers_begin;
    if (!client->is_socket) {
        out_bytes(answers, count);
        out_flush();
        stream_taken(stream, count);
        stream->is_gone = stream->is_gone || out_failed();
        return;
    }
    ssize_t taken = send(client->out, answers, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken >= 0)
        stream_taken(stream, (size_t)taken);
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        stream->is_gone = true;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void connections_accept(struct server *server)
{
    while (server->count < SERVE_CLIENTS_MAX) {
        int connection = accept(server->listener, NULL, NULL);
        if (connection >= 0 && fcntl(connection, F_SETFD, FD_CLOEXEC) == 0 &&
            client_add(server, connection, connection, true) != NULL)
            continue;
        bool is_none_there = connection < 0 && (errno == EAGAIN || errno == EWOULDBLOCK ||
                                                errno == EINTR || errno == ECONNABORTED);
        if (connection >= 0)
            close(connection);
        if (!is_none_there)
            server->accept_ns = now_ns() + ACCEPT_PAUSE_MS * MS_NS;
        return;
    }
}

/* How long nothing needs to be done unless a descriptor is ready. */
static int wait_ms(struct server *server)
{
    if (server->batch_ns != 0)
        return 0;
    for (size_t i = 0; i < server->count; i++)
        if (stream_has_line(&server->clients[i]->stream) || server->clients[i]->stream.is_gone)
            return 0;
    return server->drain_ns != 0 ? BATCH_AGE_MS : SIGNAL_LOOK_MS;
}

/* Wait, and read what there is. False: nothing was. */
static bool wait_and_read(struct server *server)
{
    struct pollfd polled[SERVE_CLIENTS_MAX + 1];
    size_t count = server->count;
    bool drains = server->drain_ns != 0;
    for (size_t i = 0; i < count; i++) {
        struct client *client = server->clients[i];
        bool reads = !drains && client_wants_bytes(client);
        bool writes = client->is_socket && client_has_answers(client) && !client->stream.is_gone;
        polled[i] =
            (struct pollfd){ .fd = reads || writes ? client->in : -1,
                             .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)) };
    }
    bool accepts = server->listener >= 0 && count < SERVE_CLIENTS_MAX &&
                   (server->accept_ns == 0 || now_ns() >= server->accept_ns);
    polled[count] = (struct pollfd){ .fd = accepts ? server->listener : -1, .events = POLLIN };
    bool has_read = false;
    if (poll(polled, (nfds_t)count + 1, wait_ms(server)) <= 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        if ((polled[i].events & POLLIN) != 0 && (polled[i].revents & ~POLLOUT) != 0) {
            client_read(server, server->clients[i]);
            has_read = true;
        } else if ((polled[i].revents & (POLLERR | POLLNVAL)) != 0) {
            server->clients[i]->stream.is_gone = true;
        }
    }
    if (polled[count].revents != 0)
        connections_accept(server);
    return has_read;
}

/* Lines to the batch, in turns; the batch to the store, when it is time; answers to who waits. */
static void serve_round(struct server *server)
{
    struct ingest *ingest = server->ingest;
    bool has_read = wait_and_read(server);
    for (size_t i = 0; i < server->count; i++)
        ingest_take(ingest, &server->clients[i]->stream);
    if (ingest->entry_count == 0)
        server->batch_ns = 0;
    else if (server->batch_ns == 0)
        server->batch_ns = now_ns();
    if (server->batch_ns != 0 &&
        (!has_read || now_ns() - server->batch_ns >= BATCH_AGE_MS * MS_NS)) {
        ingest_commit(ingest);
        server->batch_ns = 0;
    }
    for (size_t i = server->count; i-- > 0;) {
        struct client *client = server->clients[i];
        if (client_has_answers(client) && !client->stream.is_gone)
            client_write(client);
        if (client_is_done(client, server->drain_ns != 0))
            client_remove(server, i);
    }
    progress_show(&server->progress, ingest->lines, server->bytes);
}

/* Until nobody is there and nobody can come. After a signal what was read is committed and answered. */
static void serve(struct server *server, const char *path)
{
    progress_begin(&server->progress, 0);
    while (server->count > 0 || server->listener >= 0) {
        if (server->drain_ns == 0 && signal_noted() != 0) {
            server->drain_ns = now_ns() + DRAIN_MS * MS_NS;
            if (server->listener >= 0) {
                unlink(path);
                close(server->listener);
                server->listener = -1;
            }
        }
        serve_round(server);
        if (server->drain_ns != 0 && now_ns() > server->drain_ns) {
            ingest_commit(server->ingest);
            break;
        }
    }
    progress_end(&server->progress);
    while (server->count > 0)
        client_remove(server, server->count - 1);
}

int serve_stdin(struct ingest *ingest)
{
    struct server server = { .ingest = ingest, .listener = -1 };
    if (client_add(&server, STDIN_FILENO, STDOUT_FILENO, false) == NULL)
        return say_no_memory();
    serve(&server, NULL);
    return TOOL_OK;
}

/* ---- the socket's file ---------------------------------------------------------------------- */

/* A lock that lasts as long as the process; -1: said, *code is why. The file stays: others may wait for it. */
static int path_lock(const char *path, int *code)
{
    char name[sizeof((struct sockaddr_un *)NULL)->sun_path + LOCK_SUFFIX_BYTES];
    snprintf(name, sizeof name, "%s.lock", path);
    *code = TOOL_FAILED;
    int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) {
        say("%s: %s", name, strerror(errno));
        return -1;
    }
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(lock, F_SETLK, &whole) == 0)
        return lock;
    if (errno == EACCES || errno == EAGAIN) {
        say("%s: another process listens there", path);
        *code = TOOL_LOCKED;
    } else {
        say("%s: %s", name, strerror(errno));
    }
    close(lock);
    return -1;
}

/* What a process that was killed left goes. We hold the lock: it is no holter's that lives. */
static int stale_remove(const struct sockaddr_un *address)
{
    struct stat info;
    const char *path = address->sun_path;
    if (lstat(path, &info) != 0)
        return TOOL_OK;
    if (!S_ISSOCK(info.st_mode)) {
        say("%s: found a file that is no socket, expected none", path);
        return TOOL_FAILED;
    }
    int probe = socket(AF_UNIX, SOCK_STREAM, 0);
    bool is_alive =
        probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof *address) == 0;
    if (probe >= 0)
        close(probe);
    if (is_alive) {
        say("%s: another process listens there", path);
        return TOOL_LOCKED;
    }
    if (unlink(path) == 0)
        return TOOL_OK;
    say("%s: %s", path, strerror(errno));
    return TOOL_FAILED;
}

static int socket_listen(int *out, const struct sockaddr_un *address, bool for_group)
{
    *out = -1;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    mode_t before = umask(for_group ? 0117 : 0177);
    bool ok =
        listener >= 0 && bind(listener, (const struct sockaddr *)address, sizeof *address) == 0;
    int error = errno;
    umask(before);
    bool is_bound = ok;
    if (ok) {
        ok = listen(listener, SOMAXCONN) == 0 && fcntl(listener, F_SETFL, O_NONBLOCK) == 0 &&
             fcntl(listener, F_SETFD, FD_CLOEXEC) == 0;
        error = errno;
    }
    if (ok) {
        *out = listener;
        return TOOL_OK;
    }
    say("%s: cannot listen: %s", address->sun_path, strerror(error));
    if (is_bound)
        unlink(address->sun_path);
    if (listener >= 0)
        close(listener);
    return TOOL_FAILED;
}

int serve_socket(struct ingest *ingest, const char *path, bool for_group)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct server server = { .ingest = ingest };
    int code;
    size_t path_bytes = strlen(path) + 1;
    if (path_bytes > sizeof address.sun_path) {
        say("--listen: found a path of %zu bytes, expected at most %zu", path_bytes - 1,
            sizeof address.sun_path - 1);
        return TOOL_USAGE;
    }
    memcpy(address.sun_path, path, path_bytes);
    int lock = path_lock(path, &code);
    if (lock < 0)
        return code;
    code = stale_remove(&address);
    if (code == TOOL_OK)
        code = socket_listen(&server.listener, &address, for_group);
    if (code == TOOL_OK)
        serve(&server, path);
    close(lock);
    return code;
}
