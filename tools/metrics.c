/*
 * metrics.c -- holter metrics: what a store can measure, and new metrics of the user's own.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "define.h"
#include "times.h"

enum { NUMBER_BYTES = 512 };

static int run(int count, char **arguments);

const struct verb verb_metrics = {
    .name = "metrics",
    .summary = "show metrics, define one, add a label",
    .help =
        "usage: holter metrics STORE [NAME] [--keyring FILE] [--json]\n"
        "       holter metrics STORE --define NAME --unit UNIT --field FIELD [--field FIELD ...] "
        "[options]\n"
        "       holter metrics STORE --add-label METRIC.FIELD=LABEL\n"
        "\n"
        "Lists the metrics, or tells all about one: unit, kind, fields, aggregation, tier class, "
        "carry, and its\n"
        "names in HealthKit, Health Connect, Open mHealth and LOINC. Fields are shown as --field "
        "takes them.\n"
        "A definition stays for ever; an enum may grow at its end.\n"
        "\n"
        "  --define NAME       of a-z, 0-9 and _, a letter first; an equal one may be there\n"
        "  --unit UNIT         in UCUM: 1 for a plain number, %, /min, mg/dL\n"
        "  --field FIELD       NAME:TYPE, by order of the fields, 1 to 8:\n"
        "                        value:int               whole numbers\n"
        "                        value:int:0.01:30..45   multiples of 0.01; 30 to 45 is plausible\n"
        "                        value:float:0..500      doubles\n"
        "                        state:enum:calm,tense   labels ('\\,' is a comma in one)\n"
        "                        remark:text\n"
        "  --kind K            instant (default) or interval\n"
        "  --key FIELD         this field tells samples of one time apart, such as the drug of a "
        "dose\n"
        "  --aggregation A     mean, sum, states or last; default: by the first field and the "
        "kind\n"
        "  --class C           vitals, activity, waveform or records; default: records, of "
        "intervals activity\n"
        "  --carry D           instants: how long a sample speaks for at most, such as 15m\n"
        "  --healthkit N, --health-connect N, --open-mhealth N, --loinc N   its names there\n"
        "  --add-label M.F=L   a label at the end of the enum F of metric M; may be given again\n"
        "\n"
        "examples:\n"
        "  holter metrics /srv/wear\n"
        "  holter metrics /srv/wear sleep_stage\n"
        "  holter metrics /srv/wear --define caffeine --unit mg --field value:int:0..1000 "
        "--aggregation sum\n"
        "  holter metrics /srv/wear --define pain --unit 1 --field place:enum:head,back --field "
        "level:int:0..10 \\\n"
        "      --key place\n"
        "  holter metrics /srv/wear --add-label pain.place=knee\n",
    .run = run,
};

/* ---- one metric ----------------------------------------------------------------------------- */

static void print_line(const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        out_format("%-15s %s\n", name, text);
}

static void print_metric(const holter_metric *metric)
{
    char carry[DURATION_TEXT_BYTES_MAX];
    out_format("%-15s %s\n%-15s %u\n", "metric", metric->name, "number", (unsigned)metric->number);
    print_line("unit", metric->unit);
    print_line("kind", kind_name(metric->kind));
    for (size_t f = 0; f < metric->field_count; f++) {
        out_format("%-15s ", metric->key_field == (int)f ? "field, the key" : "field");
        out_field(metric, f, true);
        out_text("\n");
    }
    print_line("aggregation", aggregation_name(metric->aggregation));
    print_line("class", class_name(metric->tier_class));
    if (metric->carry_ns > 0) {
        duration_write(carry, metric->carry_ns);
        out_format("%-15s %s s\n", "carry", carry);
    }
    print_line("healthkit", metric->healthkit);
    print_line("health-connect", metric->health_connect);
    print_line("open-mhealth", metric->open_mhealth);
    print_line("loinc", metric->loinc);
}

static void json_text(const char *name, const char *text)
{
    out_format("\"%s\": ", name);
    if (text != NULL && text[0] != '\0')
        out_json(text, strlen(text));
    else
        out_text("null");
}

static void json_field(const holter_metric *metric, size_t field)
{
    const holter_field *of = &metric->fields[field];
    char number[NUMBER_BYTES];
    out_text("{");
    json_text("name", of->name);
    out_format(", \"type\": \"%s\"", type_name(of->type));
    if (of->type == HOLTER_INT)
        out_format(", \"exponent\": %d", of->exponent);
    if (of->has_range) {
        holter_value_format(number, sizeof number, metric, field, of->min);
        out_format(", \"min\": %s", number);
        holter_value_format(number, sizeof number, metric, field, of->max);
        out_format(", \"max\": %s", number);
    }
    for (size_t i = 0; i < of->label_count; i++) {
        out_text(i == 0 ? ", \"labels\": [" : ", ");
        out_json(of->labels[i], strlen(of->labels[i]));
    }
    out_text(of->label_count > 0 ? "]}" : "}");
}

static void json_metric(const holter_metric *metric)
{
    char carry[DURATION_TEXT_BYTES_MAX];
    out_text("{");
    json_text("name", metric->name);
    out_format(", \"number\": %u, ", (unsigned)metric->number);
    json_text("unit", metric->unit);
    out_format(", \"kind\": \"%s\", \"fields\": [", kind_name(metric->kind));
    for (size_t f = 0; f < metric->field_count; f++) {
        out_text(f == 0 ? "" : ", ");
        json_field(metric, f);
    }
    out_text("], ");
    json_text("key", metric->key_field < 0 ? NULL : metric->fields[metric->key_field].name);
    duration_write(carry, metric->carry_ns);
    out_format(", \"aggregation\": \"%s\", \"class\": \"%s\", \"carry\": %s, ",
               aggregation_name(metric->aggregation), class_name(metric->tier_class), carry);
    json_text("healthkit", metric->healthkit);
    out_text(", ");
    json_text("health_connect", metric->health_connect);
    out_text(", ");
    json_text("open_mhealth", metric->open_mhealth);
    out_text(", ");
    json_text("loinc", metric->loinc);
    out_text("}");
}

static int show_one(const holter_metric *metric, bool json)
{
    if (json) {
        json_metric(metric);
        out_text("\n");
    } else {
        print_metric(metric);
    }
    return TOOL_OK;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void print_short(const holter_metric *metric)
{
    out_format("%-22s %6u %-18s %-8s %-11s %-8s ", metric->name, (unsigned)metric->number,
               metric->unit, kind_name(metric->kind), aggregation_name(metric->aggregation),
               class_name(metric->tier_class));
    for (size_t f = 0; f < metric->field_count; f++) {
        out_text(f == 0 ? "" : " ");
        out_field(metric, f, false);
    }
    out_text("\n");
}

static int show_all(holter_store *store, bool json)
{
    holter_error err = { 0 };
    size_t count = holter_metric_count(store);
    if (json)
        out_text("[");
    else
        out_format("%-22s %6s %-18s %-8s %-11s %-8s %s\n", "metric", "number", "unit", "kind",
                   "aggregation", "class", "fields");
    for (size_t i = 0; i < count && !out_failed(); i++) {
        holter_metric metric;
        if (holter_metric_at(store, i, &metric, &err) != HOLTER_OK)
            return say_error(&err);
        if (!json) {
            print_short(&metric);
            continue;
        }
        out_text(i == 0 ? "\n  " : ",\n  ");
        json_metric(&metric);
    }
    if (json)
        out_text("\n]\n");
    return TOOL_OK;
}

/* ---- changes -------------------------------------------------------------------------------- */

/* What is wrong with a definition or label is told by the store; nothing was done. */
static int say_refused(holter_status status, const holter_error *err)
{
    if (status == HOLTER_INVALID)
        return say_usage(&verb_metrics, "%s", err->message);
    return say_error(err);
}

static int define(holter_store *store, const struct definition *definition, bool json)
{
    holter_error err = { 0 };
    holter_metric made;
    uint32_t number;
    holter_status status = holter_metric_define(store, &definition->metric, &number, &err);
    if (status == HOLTER_OK)
        status = holter_metric_by_number(store, number, &made, &err);
    return status == HOLTER_OK ? show_one(&made, json) : say_refused(status, &err);
}

static const char *field_name_at(const void *context, size_t index)
{
    const holter_metric *metric = context;
    return metric->fields[index].name;
}

static int field_find(const holter_metric *metric, const char *name, size_t *field)
{
    for (size_t f = 0; f < metric->field_count; f++)
        if (strcmp(metric->fields[f].name, name) == 0) {
            *field = f;
            return TOOL_OK;
        }
    const char *nearest = nearest_name(name, metric->field_count, field_name_at, metric);
    if (nearest != NULL)
        say("metric '%s' has no field '%s'; did you mean '%s'?", metric->name, name, nearest);
    else
        say("metric '%s' has no field '%s'", metric->name, name);
    return TOOL_NOT_FOUND;
}

/* METRIC.FIELD=LABEL, in place. */
static int label_cut(char *text, char **field, char **label)
{
    *label = strchr(text, '=');
    *field = *label == NULL ? NULL : memchr(text, '.', (size_t)(*label - text));
    if (*field == NULL)
        return say_usage(&verb_metrics,
                         "--add-label takes METRIC.FIELD=LABEL, such as pain.place=knee");
    *(*field)++ = '\0';
    *(*label)++ = '\0';
    return TOOL_OK;
}

static int add_label(holter_store *store, const char *given, bool json)
{
    holter_error err = { 0 };
    holter_metric metric;
    char *field_name, *label;
    size_t field;
    int64_t value;
    char *text = strdup(given);
    if (text == NULL)
        return say_no_memory();
    int code = label_cut(text, &field_name, &label);
    if (code == TOOL_OK)
        code = metric_find(store, text, &metric);
    if (code == TOOL_OK)
        code = field_find(&metric, field_name, &field);
    if (code != TOOL_OK)
        goto done;
    holter_status status =
        holter_metric_add_label(store, metric.number, field, label, &value, &err);
    if (status != HOLTER_OK) {
        code = say_refused(status, &err);
        goto done;
    }
    if (json) {
        out_format("{\"metric\": \"%s\", \"field\": \"%s\", \"label\": ", text, field_name);
        out_json(label, strlen(label));
        out_format(", \"value\": %lld}\n", (long long)value);
    } else {
        out_format("%s.%s: %lld is %s\n", text, field_name, (long long)value, label);
    }
done:
    free(text);
    return code;
}

/* ---- the verb ------------------------------------------------------------------------------- */

/* What a call asks for beside its store. */
struct asked {
    const char *name;
    struct define_options define;
    struct option_list labels;
    bool json;
};

static bool has_definition_options(const struct define_options *options)
{
    const char *const given[] = {
        options->unit,         options->kind,  options->aggregation, options->tier_class,
        options->carry,        options->key,   options->healthkit,   options->health_connect,
        options->open_mhealth, options->loinc,
    };
    for (size_t i = 0; i < TOOL_COUNT(given); i++)
        if (given[i] != NULL)
            return true;
    return options->fields.count > 0;
}

static int act(holter_store *store, const struct asked *asked, const struct definition *definition)
{
    int code = TOOL_OK;
    if (asked->define.name != NULL)
        return define(store, definition, asked->json);
    if (asked->name == NULL && asked->labels.count == 0)
        return show_all(store, asked->json);
    if (asked->name != NULL) {
        holter_metric metric;
        code = metric_find(store, asked->name, &metric);
        return code == TOOL_OK ? show_one(&metric, asked->json) : code;
    }
    for (size_t i = 0; i < asked->labels.count && code == TOOL_OK; i++)
        code = add_label(store, asked->labels.items[i], asked->json);
    return code;
}

static int check(const struct asked *asked)
{
    bool defines = asked->define.name != NULL;
    if (!defines && has_definition_options(&asked->define))
        return say_usage(&verb_metrics, "what a metric is goes with --define NAME");
    if ((asked->name != NULL) + defines + (asked->labels.count > 0) > 1)
        return say_usage(&verb_metrics, "metrics takes one of NAME, --define and --add-label");
    return TOOL_OK;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL;
    struct asked asked = { 0 };
    struct define_options *define_options = &asked.define;
    const struct option options[] = {
        { "--define", OPTION_TEXT, &define_options->name },
        { "--unit", OPTION_TEXT, &define_options->unit },
        { "--field", OPTION_LIST, &define_options->fields },
        { "--kind", OPTION_TEXT, &define_options->kind },
        { "--key", OPTION_TEXT, &define_options->key },
        { "--aggregation", OPTION_TEXT, &define_options->aggregation },
        { "--class", OPTION_TEXT, &define_options->tier_class },
        { "--carry", OPTION_TEXT, &define_options->carry },
        { "--healthkit", OPTION_TEXT, &define_options->healthkit },
        { "--health-connect", OPTION_TEXT, &define_options->health_connect },
        { "--open-mhealth", OPTION_TEXT, &define_options->open_mhealth },
        { "--loinc", OPTION_TEXT, &define_options->loinc },
        { "--add-label", OPTION_LIST, &asked.labels },
        { "--keyring", OPTION_TEXT, &keyring },
        { "--json", OPTION_FLAG, &asked.json },
    };
    int plain;
    int code = args_parse(&verb_metrics, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain < 1 || plain > 2)
        return say_usage(&verb_metrics, "metrics takes one STORE and at most one NAME, found %d",
                         plain);
    asked.name = plain == 2 ? arguments[1] : NULL;
    code = check(&asked);
    if (code != TOOL_OK)
        return code;

    struct definition *definition = calloc(1, sizeof *definition);
    holter_store *store = NULL;
    if (definition == NULL)
        return say_no_memory();
    if (asked.define.name != NULL)
        code = define_read(definition, &verb_metrics, &asked.define);
    bool changes = asked.define.name != NULL || asked.labels.count > 0;
    if (code == TOOL_OK)
        code = store_open(&store, arguments[0], keyring, !changes);
    if (code == TOOL_OK)
        code = act(store, &asked, definition);
    holter_close(store);
    define_release(definition);
    free(definition);
    return code;
}
