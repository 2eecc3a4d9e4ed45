#include "harness.h"

#include <math.h>
#include <stdio.h>

/* Every form; sizes below, at and across tiles of 8, 16 and 32 and blocks of 128. */
static const limn_op_case cases[] = {
    {"", 2, {LIMN_F2(2, 5), LIMN_I1(2)}, true}, /* one pair: log 1 */
    {"temperature=0.5", 2, {LIMN_F2(33, 7), LIMN_I1(33)}, false},
    {"impl=1 temperature=0.5", 2, {LIMN_F2(5, 16), LIMN_I1(5)}, false},
    {"impl=1 temperature=0.2 scale=1.5", 2, {LIMN_F2(83, 32), LIMN_I1(83)}, false},
    {"impl=1 temperature=0.1", 2, {LIMN_F2(257, 33), LIMN_I1(257)}, false},
    {"impl=1 temperature=0.1", 2, {LIMN_F2(128, 3), LIMN_I1(128)}, false},
    {"impl=1 rows=128", 2, {LIMN_F2(257, 16), LIMN_I1(257)}, false},
    {"impl=2 temperature=0.2 scale=1.5", 2, {LIMN_F2(37, 20), LIMN_I1(37)}, false},
    {"impl=2", 2, {LIMN_F2(16, 16), LIMN_I1(16)}, false},
    {"impl=3 scale=-0.5", 2, {LIMN_F2(37, 20), LIMN_I1(37)}, false},
};

/* 65,536 embeddings of 128: what every form asks for is at most three times their size and some
 * rows, and grows with the batch, not with its square. */
static int memory_is_linear(limn_device *device)
{
    const limn_op *op = limn_op_find("supcon");
    int wrong = 0;
    for (int impl = 1; impl <= 3; impl++) {
        size_t bytes[2] = {0};
        limn_status status = LIMN_OK;
        for (int i = 0; i < 2 && status == LIMN_OK; i++) {
            const limn_desc in[] = {LIMN_F2(32768 << i, 128), LIMN_I1(32768 << i)};
            char text[16];
            int64_t params[32];
            limn_op_plan plan;
            snprintf(text, sizeof text, "impl=%d", impl);
            if (op->params_size > sizeof params)
                return 1;
            status = limn_op_parse(limn_device_context(device), op, text, params);
            if (status == LIMN_OK)
                status = limn_op_make_plan(device, op, params, in, 2, &plan);
            if (status != LIMN_OK)
                break;
            bytes[i] = plan.forward_scratch + plan.backward_scratch;
            for (int s = 0; s < plan.saved_count; s++)
                bytes[i] += limn_desc_bytes(&plan.saved[s]);
        }
        const size_t row = (128 * 3 + 8) * sizeof(float);
        if (status != LIMN_OK || bytes[1] > 65536 * row || bytes[1] > 2 * bytes[0] + 4096) {
            printf("  supcon impl=%d: %zu bytes for 32768 rows, %zu for 65536\n", impl, bytes[0],
                   bytes[1]);
            wrong++;
        }
    }
    return wrong;
}

/* PyTorch in double precision: masked similarities, logsumexp, mean over anchors with positives.
 * Embeddings: sin(1 + 5 i + 2 k^2), rows of length one. */
static int known_answers(limn_device *device)
{
    enum { M = 9, D = 16 };
    const limn_desc in[] = {LIMN_F2(M, D), LIMN_I1(M)};
    double z[M * D], same[M * D];
    for (int i = 0; i < M; i++) {
        double squares = 0;
        for (int k = 0; k < D; k++)
            squares += pow(sin(1.0 + 5 * i + 2 * k * k), 2);
        for (int k = 0; k < D; k++) {
            z[i * D + k] = sin(1.0 + 5 * i + 2 * k * k) / sqrt(squares);
            same[i * D + k] = 0.25;
        }
    }
    const double labels[] = {0, 1, 0, 2, 1, 0, -1, 3, -1}, alone[] = {0, 1, 2, 3, 4, 5, -1, -1, -1},
                 pairs[] = {0, 0, 1, 1, 2, 2, 3, 3, 3};
    const struct {
        const char *params;
        const double *z, *labels;
        double loss;
    } known[] = {
        {"temperature=0.1", z, labels, 13.582960388252587},
        {"temperature=0.5", z, labels, 3.480784501622874},
        {"temperature=0.012", z, labels, 112.35419401177697}, /* exp(1/T) overflows */
        {"temperature=0.1 scale=1.4285714285714286", z, labels, 19.404229126075123},
        {"temperature=0.1", same, pairs, 2.0794415416798357}, /* log(M - 1) */
        {"temperature=0.1", z, alone, 0},                     /* no anchor has a positive */
    };
    int wrong = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int impl = 1; impl <= 3; impl++) {
            char params[128];
            snprintf(params, sizeof params, "%s impl=%d", known[i].params, impl);
            const double *values[] = {known[i].z, known[i].labels};
            wrong += limn_expect(device, "supcon", params, 2, in, values, &known[i].loss,
                                 2e-6 * (1 + known[i].loss));
        }
    return wrong + memory_is_linear(device);
}

const limn_op_test limn_test_supcon = {
    .op = "supcon",
    .tolerance = 1e-5,
    .backward_tolerance = 2e-5,
    .reason = "similarities up to 10 rounded to 1e-6, in exp; sums over j and D",
    LIMN_CASES(cases),
    .names_forms = true,
    .known_answers = known_answers,
};
