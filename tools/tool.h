/*
 * tool.h -- what the verbs of the tool share: exit codes, sentences, options, output.
 *
 * T1  A sentence never holds an external user id or a health value. What was found in a file is
 *     told by its form (form_of), because a wrong mapping can put an id under any column.
 * T2  Sentences go to stderr, results to stdout.
 * T3  With --json stdout holds JSON and nothing else.
 *
 * Threads: one, but for thread_start and signal_noted. Tests: tests/cli/.
 */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holter/holter.h"

#define TOOL_COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* Of what is rare, for the sake of its caller, which then makes no room for what it needs. */
#define TOOL_APART __attribute__((noinline))
#define TOOL_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/** How the tool ends. Scripts rely on these numbers; holter(1) lists them. */
enum exit_code {
    TOOL_OK = 0,
    TOOL_FAILED = 1,
    TOOL_USAGE = 2,
    TOOL_DAMAGED = 3,
    TOOL_NOT_FOUND = 4,
    TOOL_LOCKED = 5,
    TOOL_EXPIRED = 6,
};

/** A verb: holter NAME ... `run` gets the arguments after the name and returns an exit code. */
struct verb {
    const char *name;
    const char *summary;
    const char *help;
    int (*run)(int count, char **arguments);
};

extern const struct verb verb_init, verb_import, verb_ingest, verb_query, verb_flush, verb_compact,
    verb_stat, verb_verify, verb_aggregate, verb_latest, verb_simulate, verb_users, verb_metrics,
    verb_sources, verb_tail, verb_feed;

/* ---- sentences (output.c, forms.c) ---------------------------------------------------------- */

/** "holter: " and the sentence on stderr; control characters, of a file name say, become '?'. */
void say(const char *format, ...) TOOL_PRINTF(1, 2);
/** Say how to be called rightly; answers TOOL_USAGE. `verb` may be NULL. */
int say_usage(const struct verb *verb, const char *format, ...) TOOL_PRINTF(2, 3);
/** The exit code of a status. */
int exit_of_status(holter_status status);
/** Say the sentence of a failed call; answers its exit code. */
int say_error(const holter_error *err);
/** Say that memory ran out; answers TOOL_FAILED. */
int say_no_memory(void);

enum { FORM_BYTES_MAX = 64 };
/**
 * The form of a text, which tells its kind and not its content: digits become 9, letters a, other
 * than ASCII ?; quoted, zero-terminated, cut after 32 characters. "nothing" for an empty one.
 * Returns `out`.
 */
const char *form_of(char out[static FORM_BYTES_MAX], const char *text, size_t bytes);

/* ---- results -------------------------------------------------------------------------------- */

/** Bytes to stdout. A failure is kept for out_close. */
void out_bytes(const void *bytes, size_t count);
void out_text(const char *text);
void out_format(const char *format, ...) TOOL_PRINTF(1, 2);
/** Nobody reads the output any more. */
void out_give_up(void);
/** Something could not be written: there is no use in going on. */
bool out_failed(void);
/** Write what is buffered now. */
void out_flush(void);
/**
 * Write what is buffered; answers `code`, or TOOL_FAILED where something could not be written: said
 * in a sentence, but silent when the reader of a pipe went away.
 */
int out_close(int code);
/** A field of a CSV record, quoted where RFC 4180 asks for it. */
void out_csv(const char *bytes, size_t count);
/** A JSON string; what is no UTF-8 is written as U+FFFD. */
void out_json(const char *bytes, size_t count);

/** UTF-8 without surrogates, overlong forms and numbers beyond U+10FFFF (RFC 3629, section 4). */
bool is_utf8(const char *bytes, size_t count);

/* ---- signals (holter.c) --------------------------------------------------------------------- */

/**
 * From now on the first interrupt or request to end is only noted, a second one ends the process. A
 * signal that was ignored stays so.
 */
void signals_note(void);
/** The number of the signal that was noted; 0: none. */
int signal_noted(void);
/** A thread that signals pass by: they are for the first one. false: it cannot be had. Then pthread_join. */
bool thread_start(pthread_t *out, void *(*begin)(void *), void *context);

/* ---- options (args.c) ----------------------------------------------------------------------- */

enum option_kind {
    OPTION_FLAG,  /* bool *: given or not */
    OPTION_TEXT,  /* const char **: borrowed from argv */
    OPTION_COUNT, /* uint32_t *: a whole number from 1 on */
    OPTION_LIST,  /* struct option_list *: may be given again and again */
};

enum { OPTION_LIST_MAX = 32 };
struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

struct option {
    const char *name; /* with its dashes */
    enum option_kind kind;
    void *target;
};

/** What args_parse answers beside TOOL_USAGE and TOOL_OK (help was shown). */
enum { ARGS_GO = -1 };

/**
 * Read "--name value", "--name=value" and flags; move what is no option to the front of `arguments`
 * and count it in *plain. "--" ends the options, "--help" and "-h" show the verb's help.
 * Returns ARGS_GO, or the exit code to end with at once.
 */
int args_parse(const struct verb *verb, const struct option *options, size_t option_count,
               int count, char **arguments, int *plain);

/* ---- names that were misspelt (nearest.c) --------------------------------------------------- */

/** Of `count` names the one most like `text`, NULL when none is near. */
const char *nearest_name(const char *text, size_t count,
                         const char *(*name_at)(const void *, size_t), const void *context);

/* ---- stores and users (stores.c) ------------------------------------------------------------ */

/** Open a store; on failure say why. Returns TOOL_OK or the exit code. *out owned: holter_close. */
int store_open(holter_store **out, const char *path, const char *keyring, bool read_only);
/** From now on this process leaves the processor to those who commit and read (nice 10, if it was less). */
void yield_to_others(void);

/** Of the region of that name; 0: there is none. */
uint32_t region_shards(holter_store *store, const char *name);
/** The store has a region of that name, or none (NULL) was asked for. Returns TOOL_OK or the exit
    code, said. */
int region_check(holter_store *store, const char *name);

/** Find a metric by name; on failure say so, with the nearest name. */
int metric_find(holter_store *store, const char *name, holter_metric *out);

/** The users that a --user option names. */
struct user_list {
    uint64_t *numbers;
    size_t count;
};

enum { USER_NUMBER_BYTES_MAX = 24 };
/** '#' and the number that stands for a user. Returns its length. */
size_t user_number_format(char out[static USER_NUMBER_BYTES_MAX], uint64_t user);

/**
 * Find the users that `text` names: an id, '#' and a number, '@' and a file with one of these a
 * line, or "-" for such lines on stdin. A backslash before the first character makes any text a
 * plain id. Returns TOOL_OK or the exit code, said. *out owned: user_list_release.
 */
int user_list_find(struct user_list *out, const struct verb *verb, holter_store *store,
                   const char *text);
/** Every user of the store who is not erased, in the order they were added. */
int user_list_all(struct user_list *out, holter_store *store);
void user_list_release(struct user_list *list);

/**
 * The one id that a --user option of a writing verb names, in the same forms but for the number.
 * *id owned: free().
 */
int user_id_read(char **id, const struct verb *verb, const char *text);

#endif
