/*
 * driver.c -- replays inputs through one fuzz target, without libFuzzer: for compilers that lack
 * it, for coverage, and for looking at one input in a debugger.
 *
 * usage: fuzz_<decoder> FILE-OR-DIRECTORY ..
 *
 * Prints how many inputs were replayed; where one fails, the target ends the process, and the name
 * printed before tells which. Each input lies in memory of exactly its size, so that
 * AddressSanitizer sees a read beyond its end.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_BYTES_MAX = 1 << 20 };

static bool replay_file(const char *path)
{
    static uint8_t room[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    size_t count = fread(room, 1, sizeof room, file);
    bool is_read = ferror(file) == 0;
    fclose(file);
    uint8_t *input = malloc(count > 0 ? count : 1);
    if (!is_read || input == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(input);
        return false;
    }
    memcpy(input, room, count);
    const char *trace = getenv("FUZZ_TRACE");
    if (trace != NULL)
        fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(input, count);
    free(input);
    return true;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool replay(const char *path, size_t *count)
{
    struct stat stat_of;
    if (stat(path, &stat_of) == 0 && !S_ISDIR(stat_of.st_mode)) {
        *count += 1;
        return replay_file(path);
    }
    struct dirent **names = NULL;
    int found = scandir(path, &names, is_visible, alphasort);
    if (found < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    bool is_right = true;
    for (int i = 0; i < found; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, names[i]->d_name);
        is_right = replay(name, count) && is_right;
        free(names[i]);
    }
    free(names);
    return is_right;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    bool is_right = argc > 1;
    for (int i = 1; i < argc; i++)
        is_right = replay(argv[i], &count) && is_right;
    const char *name = strrchr(argv[0], '/');
    printf("%s: %zu inputs\n", name == NULL ? argv[0] : name + 1, count);
    return is_right && count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
