/*
 * stores.c -- opening a store, and finding the users and metrics that arguments name.
 */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { LINE_BYTES_MAX = 512 };

/* HOLTER_BACKEND, by which a user forces one. False: it names none. */
static bool backend_read(int *out)
{
    static const char *const names[] = { "choose", "posix", "io_uring" };
    const char *name = getenv("HOLTER_BACKEND");
    *out = HOLTER_BACKEND_CHOOSE;
    if (name == NULL)
        return true;
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    say("HOLTER_BACKEND is '%.32s', expected posix, io_uring or choose", name);
    return false;
}

void yield_to_others(void)
{
    enum { NICE = 10 };
    errno = 0;
    int now = getpriority(PRIO_PROCESS, 0);
    if (errno == 0 && now < NICE)
        (void)setpriority(PRIO_PROCESS, 0, NICE);
}

int store_open(holter_store **out, const char *path, const char *keyring, bool read_only)
{
    holter_error err = { 0 };
    holter_options options = { .keyring_path = keyring, .read_only = read_only };
    if (!backend_read(&options.backend))
        return TOOL_USAGE;
    holter_status status = holter_open(out, path, &options, &err);
    return status == HOLTER_OK ? TOOL_OK : say_error(&err);
}

uint32_t region_shards(holter_store *store, const char *name)
{
    for (size_t i = 0; i < holter_region_count(store); i++) {
        holter_error err = { 0 };
        const char *found;
        uint32_t shards;
        if (holter_region_at(store, i, &found, &shards, &err) == HOLTER_OK &&
            strcmp(found, name) == 0)
            return shards;
    }
    return 0;
}

int region_check(holter_store *store, const char *name)
{
    if (name == NULL || region_shards(store, name) > 0)
        return TOOL_OK;
    say("the store has no region '%s'; 'holter init STORE --add-region R' adds one", name);
    return TOOL_NOT_FOUND;
}

static const char *metric_name_at(const void *context, size_t index)
{
    holter_store *const *store = context;
    holter_metric metric;
    return holter_metric_at(*store, index, &metric, NULL) == HOLTER_OK ? metric.name : NULL;
}

int metric_find(holter_store *store, const char *name, holter_metric *out)
{
    holter_error err = { 0 };
    holter_status status = holter_metric_find(store, name, out, &err);
    if (status == HOLTER_OK)
        return TOOL_OK;
    if (status != HOLTER_NOT_FOUND)
        return say_error(&err);
    const char *nearest = nearest_name(name, holter_metric_count(store), metric_name_at, &store);
    if (nearest != NULL)
        say("the store has no metric '%s'; did you mean '%s'?", name, nearest);
    else
        say("the store has no metric '%s'", name);
    return TOOL_NOT_FOUND;
}

/* ---- users ---------------------------------------------------------------------------------- */

size_t user_number_format(char out[static USER_NUMBER_BYTES_MAX], uint64_t user)
{
    return (size_t)snprintf(out, USER_NUMBER_BYTES_MAX, "#%016llx", (unsigned long long)user);
}

/* '#' and 1 .. 16 hexadecimal digits. */
static bool user_number_read(uint64_t *out, const char *text)
{
    uint64_t number = 0;
    size_t digits = strlen(text) - 1;
    if (text[0] != '#' || digits < 1 || digits > 16)
        return false;
    for (const char *at = text + 1; *at != '\0'; at++) {
        char c = *at;
        uint64_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint64_t)c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = (uint64_t)c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (uint64_t)c - 'A' + 10;
        else
            return false;
        number = number << 4 | digit;
    }
    *out = number;
    return true;
}

/* A backslash in front makes any text an id. */
static const char *id_of(const char *text)
{
    return text[0] == '\\' ? text + 1 : text;
}

static bool id_is_valid(const char *id)
{
    size_t bytes = strlen(id);
    return bytes >= 1 && bytes <= HOLTER_USER_ID_BYTES_MAX && is_utf8(id, bytes);
}

static bool user_list_push(struct user_list *list, uint64_t number)
{
    if ((list->count & (list->count - 1)) == 0) { /* room is always a power of two */
        size_t room = list->count == 0 ? 1 : list->count * 2;
        uint64_t *numbers = realloc(list->numbers, room * sizeof *numbers);
        if (numbers == NULL)
            return false;
        list->numbers = numbers;
    }
    list->numbers[list->count++] = number;
    return true;
}

/* place: "--user", or the file and line, for sentences. */
static int user_find(struct user_list *list, holter_store *store, const char *text,
                     const char *place)
{
    holter_error err = { 0 };
    uint64_t number = 0;
    holter_status status;
    if (text[0] == '#') {
        if (!user_number_read(&number, text)) {
            say("%s: found '#' and no number, expected up to 16 hexadecimal digits (or '\\#' to "
                "begin an id)",
                place);
            return TOOL_USAGE;
        }
        char id[HOLTER_USER_ID_BYTES_MAX + 1];
        size_t id_bytes;
        status = holter_user_id(store, number, id, &id_bytes, &err);
    } else {
        const char *id = id_of(text);
        if (!id_is_valid(id)) {
            say("%s: found an id that is empty, too long or no UTF-8, expected 1 to %d bytes",
                place, HOLTER_USER_ID_BYTES_MAX);
            return TOOL_USAGE;
        }
        status = holter_user_find(store, id, strlen(id), &number, &err);
    }
    if (status == HOLTER_NOT_FOUND) {
        say("%s: the store has no such user", place);
        return TOOL_NOT_FOUND;
    }
    if (status != HOLTER_OK)
        return say_error(&err);
    return user_list_push(list, number) ? TOOL_OK : say_no_memory();
}

/* The next line that is not empty, without its end. false: none, or *code is not TOOL_OK. */
static bool line_next(FILE *file, const char *name, uint64_t *line,
                      char text[static LINE_BYTES_MAX], int *code)
{
    *code = TOOL_OK;
    while (fgets(text, LINE_BYTES_MAX, file) != NULL) {
        ++*line;
        size_t bytes = strlen(text);
        if (bytes == LINE_BYTES_MAX - 1 && text[bytes - 1] != '\n') {
            say("%s:%llu: found a line of more than %d bytes, expected one user a line", name,
                (unsigned long long)*line, LINE_BYTES_MAX - 2);
            *code = TOOL_FAILED;
            return false;
        }
        if (*line == 1 && bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
            bytes -= 3; /* a byte order mark */
            memmove(text, text + 3, bytes + 1);
        }
        while (bytes > 0 && (text[bytes - 1] == '\n' || text[bytes - 1] == '\r'))
            text[--bytes] = '\0';
        if (bytes > 0)
            return true;
    }
    if (ferror(file)) {
        say("%s: %s", name, strerror(errno));
        *code = TOOL_FAILED;
    }
    return false;
}

/* '@' and a name, or "-". NULL: said. */
static FILE *users_open(const char *text, const char **name)
{
    if (strcmp(text, "-") == 0) {
        *name = "stdin";
        return stdin;
    }
    *name = text + 1;
    FILE *file = fopen(*name, "r");
    if (file == NULL)
        say("%s: %s", *name, strerror(errno));
    return file;
}

static void users_close(FILE *file)
{
    if (file != NULL && file != stdin)
        fclose(file);
}

int user_list_find(struct user_list *out, const struct verb *verb, holter_store *store,
                   const char *text)
{
    *out = (struct user_list){ 0 };
    if (text[0] != '@' && strcmp(text, "-") != 0)
        return user_find(out, store, text, "--user");

    const char *name;
    FILE *file = users_open(text, &name);
    if (file == NULL)
        return TOOL_FAILED;
    char line_text[LINE_BYTES_MAX];
    uint64_t line = 0;
    int code;
    while (line_next(file, name, &line, line_text, &code)) {
        char place[LINE_BYTES_MAX];
        snprintf(place, sizeof place, "%s:%llu", name, (unsigned long long)line);
        code = user_find(out, store, line_text, place);
        if (code != TOOL_OK)
            break;
    }
    users_close(file);
    if (code == TOOL_OK && out->count == 0)
        code = say_usage(verb, "%s: found no user, expected one a line", name);
    if (code != TOOL_OK)
        user_list_release(out);
    return code;
}

int user_list_all(struct user_list *out, holter_store *store)
{
    *out = (struct user_list){ 0 };
    size_t count = holter_user_count(store);
    int code = TOOL_OK;
    for (size_t i = 0; i < count && code == TOOL_OK; i++) {
        holter_error err = { 0 };
        uint64_t user;
        int erased;
        if (holter_user_at(store, i, &user, &erased, &err) != HOLTER_OK)
            code = say_error(&err);
        else if (!erased && !user_list_push(out, user))
            code = say_no_memory();
    }
    if (code != TOOL_OK)
        user_list_release(out);
    return code;
}

void user_list_release(struct user_list *list)
{
    free(list->numbers);
    *list = (struct user_list){ 0 };
}

int user_id_read(char **id, const struct verb *verb, const char *text)
{
    *id = NULL;
    char line_text[LINE_BYTES_MAX];
    const char *name = "--user";
    if (text[0] == '@' || strcmp(text, "-") == 0) {
        FILE *file = users_open(text, &name);
        if (file == NULL)
            return TOOL_FAILED;
        char more[LINE_BYTES_MAX];
        uint64_t line = 0;
        int code;
        bool has_one = line_next(file, name, &line, line_text, &code);
        bool has_two = has_one && line_next(file, name, &line, more, &code);
        users_close(file);
        if (code != TOOL_OK)
            return code;
        if (!has_one || has_two)
            return say_usage(verb, "%s: found %s, expected the one user that the rows belong to",
                             name, has_two ? "more than one user" : "no user");
        text = line_text;
    }
    if (text[0] == '#')
        return say_usage(verb, "%s: found '#', expected an id (or '\\#' to begin one)", name);
    if (!id_is_valid(id_of(text)))
        return say_usage(
            verb, "%s: found an id that is empty, too long or no UTF-8, expected 1 to %d bytes",
            name, HOLTER_USER_ID_BYTES_MAX);
    *id = strdup(id_of(text));
    return *id != NULL ? TOOL_OK : say_no_memory();
}
