/*
 * ingest_serve.h -- where lines come from and answers go: a Unix socket with many clients, or stdin and stdout.
 *
 * Whenever there is nothing more to read, or a tenth of a second went by, what came is committed and answered. While
 * that goes on the next lines gather, so that the more clients there are, the more lines share a sync.
 *
 *   N1  No client keeps another from being served: who does not take its answers is not read any more.
 *   N2  The socket's file is there for the owner (and the group) from its first moment on.
 *
 * Threads: one.
 */
#ifndef TOOLS_INGEST_SERVE_H
#define TOOLS_INGEST_SERVE_H

#include "ingest_batch.h"

enum { SERVE_CLIENTS_MAX = 64 };

/** stdin until its end or a signal. Returns TOOL_OK or the exit code, said. */
int serve_stdin(struct ingest *ingest);
/**
 * Clients of a Unix socket that is made at `path`, with mode 0660 (`for_group`) or 0600, until a signal: then what
 * was read is committed and answered. A file of a process that is gone is replaced. Returns TOOL_OK or the exit code,
 * said; TOOL_LOCKED: another process listens there.
 */
int serve_socket(struct ingest *ingest, const char *path, bool for_group);

#endif
