/*
 * args.c -- options of a verb.
 *
 * An argument that nobody asked for may be an id, so sentences name options that exist and count
 * the rest (T1).
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES_MAX = 63 };

static const char *option_name_at(const void *context, size_t index)
{
    const struct option *options = context;
    return options[index].name;
}

static const struct option *option_find(const struct option *options, size_t count,
                                        const char *name, size_t bytes)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(options[i].name) == bytes && memcmp(options[i].name, name, bytes) == 0)
            return &options[i];
    return NULL;
}

static int say_unknown(const struct verb *verb, const struct option *options, size_t option_count,
                       const char *argument, int at)
{
    char name[NAME_BYTES_MAX + 1];
    size_t bytes = strcspn(argument, "=");
    const char *nearest = NULL;
    if (bytes <= NAME_BYTES_MAX) {
        memcpy(name, argument, bytes);
        name[bytes] = '\0';
        nearest = nearest_name(name, option_count, option_name_at, options);
    }
    if (nearest == NULL)
        return say_usage(verb, "argument %d is an option that 'holter %s' does not have", at + 1,
                         verb->name);
    return say_usage(verb,
                     "argument %d is an option that 'holter %s' does not have; did you mean '%s'?",
                     at + 1, verb->name, nearest);
}

static bool count_read(const char *text, uint32_t *out)
{
    uint64_t count = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        count = count * 10 + (uint64_t)(*text - '0');
        if (count > UINT32_MAX)
            return false;
    }
    *out = (uint32_t)count;
    return count > 0;
}

/* Returns ARGS_GO or TOOL_USAGE. */
static int option_set(const struct verb *verb, const struct option *option, const char *value)
{
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->target = true;
        return ARGS_GO;
    case OPTION_TEXT: {
        const char **text = option->target;
        if (*text != NULL)
            return say_usage(verb, "%s is given twice", option->name);
        *text = value;
        return ARGS_GO;
    }
    case OPTION_COUNT:
        if (!count_read(value, option->target))
            return say_usage(verb, "%s takes a whole number from 1 on", option->name);
        return ARGS_GO;
    case OPTION_LIST: {
        struct option_list *list = option->target;
        if (list->count == OPTION_LIST_MAX)
            return say_usage(verb, "%s is given more than %d times", option->name, OPTION_LIST_MAX);
        list->items[list->count++] = value;
        return ARGS_GO;
    }
    }
    return TOOL_USAGE;
}

int args_parse(const struct verb *verb, const struct option *options, size_t option_count,
               int count, char **arguments, int *plain)
{
    *plain = 0;
    bool ended = false;
    for (int i = 0; i < count; i++) {
        char *argument = arguments[i];
        if (ended || argument[0] != '-' || argument[1] == '\0') {
            arguments[(*plain)++] = argument;
            continue;
        }
        if (strcmp(argument, "--") == 0) {
            ended = true;
            continue;
        }
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            out_text(verb->help);
            return TOOL_OK;
        }

        size_t name_bytes = strcspn(argument, "=");
        const struct option *option = option_find(options, option_count, argument, name_bytes);
        if (option == NULL)
            return say_unknown(verb, options, option_count, argument, i);
        const char *value = argument[name_bytes] == '=' ? argument + name_bytes + 1 : NULL;
        if (option->kind == OPTION_FLAG && value != NULL)
            return say_usage(verb, "%s takes no value", option->name);
        if (option->kind != OPTION_FLAG && value == NULL) {
            if (i + 1 == count)
                return say_usage(verb, "%s needs a value", option->name);
            value = arguments[++i];
        }
        int code = option_set(verb, option, value);
        if (code != ARGS_GO)
            return code;
    }
    return ARGS_GO;
}
