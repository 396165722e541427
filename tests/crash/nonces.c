/*
 * nonces.c -- no nonce is used twice with one key, whatever is rewritten, retried or done again
 * after a crash.
 *
 * Claim: a pair of key and nonce seals one plain text with one associated data only. Method:
 * crypto_seal is wrapped (-Wl,--wrap) and notes each pair; the workloads of the crash explorer run,
 * whole and stopped at some of their calls, each going on in two recoveries. What happened on
 * another branch of a machine's history is forgotten, since the simulated randomness repeats there.
 */
#include "crash.h"

#include "core/core.h"
#include "crypto/crypto.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEALS_MAX = 1 << 16 };

static struct {
    uint64_t pair[SEALS_MAX]; /* hash of key and nonce; 0: empty */
    uint64_t text[SEALS_MAX]; /* .. of all that was sealed with them */
    size_t count;
    uint64_t seals, reused;
} seen, branch;

void __real_crypto_seal(uint8_t *out, const void *plain, size_t bytes, const void *associated,
                        size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                        const struct crypto_key *key);
void __wrap_crypto_seal(uint8_t *out, const void *plain, size_t bytes, const void *associated,
                        size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                        const struct crypto_key *key);

void __wrap_crypto_seal(uint8_t *out, const void *plain, size_t bytes, const void *associated,
                        size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                        const struct crypto_key *key)
{
    if (key != NULL && seen.count < SEALS_MAX / 2) {
        uint64_t pair = mix64(hash64(crypto_key_bytes(key), CRYPTO_KEY_BYTES),
                              hash64(nonce, CRYPTO_NONCE_BYTES));
        uint64_t text = mix64(hash64(plain, bytes), hash64(associated, associated_bytes));
        pair += pair == 0;
        size_t at = (size_t)(pair % SEALS_MAX);
        while (seen.pair[at] != 0 && seen.pair[at] != pair)
            at = (at + 1) % SEALS_MAX;
        seen.reused += seen.pair[at] == pair && seen.text[at] != text;
        seen.count += seen.pair[at] != pair;
        seen.pair[at] = pair;
        seen.text[at] = text;
    }
    seen.seals++;
    __real_crypto_seal(out, plain, bytes, associated, associated_bytes, nonce, key);
}

/*
 * One branch: stopped at a call (or never), then two recoveries, a power cut before each unless a
 * process was killed.
 */
static bool run_branch(const struct workload *workload, const struct world *base, uint64_t call,
                       enum sim_event event)
{
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL)
        abort();
    world_copy(world, base, call + 1);
    sim_stop_at(world->sim, call, event);
    workload->run(world);
    world_close(world);
    bool has_stopped = sim_has_stopped(world->sim);
    sim_stop_at(world->sim, UINT64_MAX, SIM_NOTHING);
    for (uint64_t i = 0; i < 2 && !world->has_trouble; i++) {
        if (event != SIM_KILL)
            sim_crash(world->sim, SIM_CRASH_RANDOM, call + i);
        recovery_session(world);
        world_close(world);
    }
    if (world->has_trouble) {
        printf("VIOLATION: %s, call %" PRIu64 ": %s\n", workload->name, call, world->trouble);
        seen.reused++;
    }
    world_free(world);
    free(world);
    return has_stopped;
}

static uint64_t test(const struct workload *workload)
{
    struct world *base = calloc(1, sizeof *base);
    if (base == NULL)
        abort();
    memset(&seen, 0, sizeof seen);
    world_prepare(base, workload, 1);
    branch = seen;
    if (base->has_trouble) {
        printf("VIOLATION: %s: preparing: %s\n", workload->name, base->trouble);
        seen.reused++;
    }
    if (seen.reused > 0)
        printf("VIOLATION: %s: a nonce was used twice with one key\n", workload->name);
    uint64_t reused = seen.reused, seals = 0, branches = 0;
    bool has_stopped = true;
    static const enum sim_event events[] = { SIM_POWER_CUT_TORN, SIM_KILL };
    for (uint64_t call = 97; has_stopped && reused == 0; call += 97 + call / 8, branches++) {
        seen = branch;
        has_stopped = run_branch(workload, base, call, events[branches % 2]);
        reused += seen.reused;
        seals += seen.seals;
        if (seen.reused > 0)
            printf("VIOLATION: %s, stopped at call %" PRIu64
                   ": a nonce was used twice with one key\n",
                   workload->name, call);
    }
    printf("%-9s %6" PRIu64 " branches %8" PRIu64 " seals\n", workload->name, branches, seals);
    world_free(base);
    free(base);
    return reused;
}

int main(void)
{
    uint64_t reused = 0;
    for (size_t i = 0; i < workload_count; i++)
        reused += test(&workloads[i]);
    return reused == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
