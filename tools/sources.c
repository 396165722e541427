/*
 * sources.c -- holter sources: the devices and apps of a user.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "times.h"

enum { SETTINGS_MAX = 32, WHAT_BYTES_MAX = 9 + HOLTER_NAME_BYTES_MAX };

static int run(int count, char **arguments);

const struct verb verb_sources = {
    .name = "sources",
    .summary = "show the devices and apps of a user, or change one",
    .help = "usage: holter sources STORE --user U [--keyring FILE] [--json]\n"
            "       holter sources STORE --user U --source NAME [--add] --set WHAT=VALUE "
            "[--set ...] [--json]\n"
            "\n"
            "Shows each source's number, name, type, model, firmware, when it was registered, and "
            "for metrics its\n"
            "priority (kept: no query weighs sources by it yet) and expected time between "
            "samples.\n"
            "\n"
            "  --user U             as in 'holter query'; users are shown by number\n"
            "  --source NAME        the source to change, of one user\n"
            "  --add                make it where the user has none of that name\n"
            "  --set WHAT=VALUE     type, model, firmware (an empty value clears it), retired=yes "
            "or no,\n"
            "                       priority.METRIC=N, period.METRIC=D (5s, 15m; 0: unknown)\n"
            "\n"
            "examples:\n"
            "  holter sources /srv/wear --user @ids.txt\n"
            "  holter sources /srv/wear --user @id.txt --source wrist --add --set type=watch --set "
            "firmware=2.1\n"
            "  holter sources /srv/wear --user '#0123456789abcdef' --source wrist --set "
            "priority.steps=10\n",
    .run = run,
};

/* ---- showing -------------------------------------------------------------------------------- */

/* "" where this store has no such metric, which cannot be. */
static const char *metric_name(holter_store *store, uint32_t number)
{
    holter_metric metric;
    return holter_metric_by_number(store, number, &metric, NULL) == HOLTER_OK ? metric.name : "";
}

static void print_csv(holter_store *store, const char *user, const holter_source *source)
{
    char time[TIME_TEXT_BYTES_MAX], period[DURATION_TEXT_BYTES_MAX];
    const char *const texts[] = { source->name, source->type, source->model, source->firmware };
    time_write(time, source->registered_ns, NULL);
    out_format("%s,%u", user, (unsigned)source->number);
    for (size_t i = 0; i < TOOL_COUNT(texts); i++) {
        out_text(",");
        out_csv(texts[i], strlen(texts[i]));
    }
    out_format(",%s,%s,", time, source->retired ? "retired" : "");
    for (size_t i = 0; i < source->setting_count; i++) {
        const holter_setting *setting = &source->settings[i];
        duration_write(period, setting->period_ns);
        out_format("%s%s=%d", i == 0 ? "" : " ", metric_name(store, setting->metric),
                   (int)setting->priority);
        if (setting->period_ns != 0)
            out_format("/%ss", period);
    }
    out_text("\n");
}

static void print_json(holter_store *store, const char *user, const holter_source *source)
{
    char time[TIME_TEXT_BYTES_MAX], period[DURATION_TEXT_BYTES_MAX];
    const struct {
        const char *name, *text;
    } texts[] = { { "name", source->name },
                  { "type", source->type },
                  { "model", source->model },
                  { "firmware", source->firmware } };
    time_write(time, source->registered_ns, NULL);
    out_format("{\"user\": \"%s\", \"number\": %u", user, (unsigned)source->number);
    for (size_t i = 0; i < TOOL_COUNT(texts); i++) {
        out_format(", \"%s\": ", texts[i].name);
        out_json(texts[i].text, strlen(texts[i].text));
    }
    out_format(", \"registered\": \"%s\", \"retired\": %s, \"settings\": {", time,
               source->retired ? "true" : "false");
    for (size_t i = 0; i < source->setting_count; i++) {
        const holter_setting *setting = &source->settings[i];
        duration_write(period, setting->period_ns);
        out_format("%s\"%s\": {\"priority\": %d, \"period\": %s}", i == 0 ? "" : ", ",
                   metric_name(store, setting->metric), (int)setting->priority, period);
    }
    out_text("}}");
}

/* Sources `first` to `last` of a user; *shown counts over all users. */
static int show_user(holter_store *store, uint64_t user, uint32_t first, uint32_t last, bool json,
                     size_t *shown)
{
    char number[USER_NUMBER_BYTES_MAX];
    user_number_format(number, user);
    for (uint32_t i = first; i <= last && !out_failed(); i++) {
        holter_error err = { 0 };
        holter_source *source;
        if (holter_source_read(store, user, i, &source, &err) != HOLTER_OK)
            return say_error(&err);
        if (json) {
            out_text(*shown == 0 ? "\n  " : ",\n  ");
            print_json(store, number, source);
        } else {
            print_csv(store, number, source);
        }
        ++*shown;
        holter_source_free(source);
    }
    return TOOL_OK;
}

/* `source` 0: all. */
static int show(holter_store *store, const struct user_list *users, uint32_t source, bool json)
{
    int code = TOOL_OK;
    size_t shown = 0;
    out_text(json ? "[" : "user,number,name,type,model,firmware,registered,state,settings\n");
    for (size_t i = 0; i < users->count && code == TOOL_OK; i++) {
        holter_error err = { 0 };
        size_t count = source;
        if (source == 0 && holter_source_count(store, users->numbers[i], &count, &err) != HOLTER_OK)
            code = say_error(&err);
        else
            code = show_user(store, users->numbers[i], source == 0 ? 1 : source, (uint32_t)count,
                             json, &shown);
    }
    if (json)
        out_text(shown == 0 ? "]\n" : "\n]\n");
    return code;
}

/* ---- changing ------------------------------------------------------------------------------- */

/* A source with the changes that --set asks for; the texts are borrowed. */
struct change {
    holter_source source;
    holter_setting settings[SETTINGS_MAX];
};

static int say_set(const char *problem)
{
    return say_usage(&verb_sources, "--set: %s", problem);
}

static int setting_need(struct change *change, uint32_t metric, holter_setting **out)
{
    for (size_t i = 0; i < change->source.setting_count; i++)
        if (change->settings[i].metric == metric) {
            *out = &change->settings[i];
            return TOOL_OK;
        }
    if (change->source.setting_count == SETTINGS_MAX) {
        say("the source has settings for %d metrics, which is as many as there can be",
            SETTINGS_MAX);
        return TOOL_FAILED;
    }
    *out = &change->settings[change->source.setting_count++];
    **out = (holter_setting){ .metric = metric };
    return TOOL_OK;
}

static bool priority_read(int32_t *out, const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    bool starts_right = text[0] == '-' || (text[0] >= '0' && text[0] <= '9');
    if (!starts_right || end == text || *end != '\0' || number < INT32_MIN || number > INT32_MAX)
        return false;
    *out = (int32_t)number;
    return true;
}

/* priority.METRIC or period.METRIC; `name` is the metric's. */
static int set_setting(struct change *change, holter_store *store, bool is_priority,
                       const char *name, const char *value)
{
    holter_metric metric;
    holter_setting *setting;
    int code = metric_find(store, name, &metric);
    if (code == TOOL_OK)
        code = setting_need(change, metric.number, &setting);
    if (code != TOOL_OK)
        return code;
    if (is_priority && !priority_read(&setting->priority, value))
        return say_set("priority.METRIC takes a whole number of 32 bits");
    if (!is_priority && duration_read(&setting->period_ns, value, strlen(value)) != TIME_OK)
        return say_set("period.METRIC takes a duration such as 5s or 15m");
    return TOOL_OK;
}

static int set_retired(struct change *change, const char *value)
{
    bool yes = strcmp(value, "yes") == 0;
    if (!yes && strcmp(value, "no") != 0)
        return say_set("retired takes yes or no");
    change->source.retired = yes;
    return TOOL_OK;
}

/* One WHAT=VALUE. */
static int set_one(struct change *change, holter_store *store, const char *text)
{
    char what[WHAT_BYTES_MAX + 1];
    size_t bytes = strcspn(text, "=");
    if (text[bytes] == '\0' || bytes > WHAT_BYTES_MAX)
        return say_set("it takes WHAT=VALUE, such as type=watch");
    const char *value = text + bytes + 1;
    memcpy(what, text, bytes);
    what[bytes] = '\0';
    if (strcmp(what, "type") == 0)
        change->source.type = value;
    else if (strcmp(what, "model") == 0)
        change->source.model = value;
    else if (strcmp(what, "firmware") == 0)
        change->source.firmware = value;
    else if (strcmp(what, "retired") == 0)
        return set_retired(change, value);
    else if (strncmp(what, "priority.", 9) == 0)
        return set_setting(change, store, true, what + 9, value);
    else if (strncmp(what, "period.", 7) == 0)
        return set_setting(change, store, false, what + 7, value);
    else
        return say_set("it knows type, model, firmware, retired, priority.METRIC and "
                       "period.METRIC");
    return TOOL_OK;
}

static int change_make(struct change *change, holter_store *store, const holter_source *source,
                       const struct option_list *sets)
{
    change->source = *source;
    if (source->setting_count > 0)
        memcpy(change->settings, source->settings,
               source->setting_count * sizeof *source->settings);
    change->source.settings = change->settings;
    for (size_t i = 0; i < sets->count; i++) {
        int code = set_one(change, store, sets->items[i]);
        if (code != TOOL_OK)
            return code;
    }
    return TOOL_OK;
}

/* *out owned: holter_source_free; NULL with TOOL_OK: the user has none of that name, and it is to be added. */
static int source_read(holter_store *store, uint64_t user, const char *name, bool add,
                       holter_source **out)
{
    holter_error err = { 0 };
    uint32_t number;
    *out = NULL;
    holter_status status = holter_source_find(store, user, name, &number, &err);
    if (status == HOLTER_NOT_FOUND && add)
        return TOOL_OK;
    if (status == HOLTER_NOT_FOUND) {
        say("--source: the user has no source of that name (--add makes it)");
        return TOOL_NOT_FOUND;
    }
    if (status == HOLTER_OK)
        status = holter_source_read(store, user, number, out, &err);
    return status == HOLTER_OK ? TOOL_OK : say_error(&err);
}

static int set(holter_store *store, const struct user_list *users, const char *name, bool add,
               const struct option_list *sets, bool json)
{
    holter_error err = { 0 };
    holter_source *source = NULL;
    struct change change;
    uint32_t number;
    if (users->count != 1)
        return say_usage(&verb_sources, "--set changes a source of one user, found %zu users",
                         users->count);
    uint64_t user = users->numbers[0];
    const holter_source blank = { .name = name };
    holter_status status = HOLTER_OK;
    int code;
    do { /* once more where somebody else added it meanwhile, or died as they did */
        code = source_read(store, user, name, add, &source);
        if (code == TOOL_OK)
            code = change_make(&change, store, source != NULL ? source : &blank, sets);
        if (code == TOOL_OK)
            status = holter_source_put(store, user, &change.source, &number, &err);
    } while (code == TOOL_OK && status == HOLTER_EXISTS && source == NULL);
    if (code == TOOL_OK && status != HOLTER_OK)
        code = say_error(&err);
    if (code == TOOL_OK)
        code = show(store, users, number, json);
    holter_source_free(source);
    return code;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL, *user = NULL, *source = NULL;
    bool add = false, json = false;
    struct option_list sets = { 0 };
    const struct option options[] = {
        { "--user", OPTION_TEXT, &user },       { "--source", OPTION_TEXT, &source },
        { "--add", OPTION_FLAG, &add },         { "--set", OPTION_LIST, &sets },
        { "--keyring", OPTION_TEXT, &keyring }, { "--json", OPTION_FLAG, &json },
    };
    int plain;
    int code = args_parse(&verb_sources, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_sources, "sources takes one STORE, found %d", plain);
    if (user == NULL)
        return say_usage(&verb_sources, "sources needs --user");
    if ((source == NULL) != (sets.count == 0) || (add && source == NULL))
        return say_usage(&verb_sources, "--source NAME and --set WHAT=VALUE go together");

    holter_store *store;
    code = store_open(&store, arguments[0], keyring, source == NULL);
    if (code != TOOL_OK)
        return code;
    struct user_list users;
    code = user_list_find(&users, &verb_sources, store, user);
    if (code == TOOL_OK && source != NULL)
        code = set(store, &users, source, add, &sets, json);
    else if (code == TOOL_OK)
        code = show(store, &users, 0, json);
    user_list_release(&users);
    holter_close(store);
    return code;
}
