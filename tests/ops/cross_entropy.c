#include "harness.h"

#include <math.h>

static const limn_op_case cases[] = {
    {"", 2, {LIMN_F2(3, 2), LIMN_I1(3)}, false},
    {"", 2, {LIMN_F2(65, 10), LIMN_I1(65)}, false},
    {"label_smoothing=0.1", 2, {LIMN_F2(19, 37), LIMN_I1(19)}, false},
};

/* torch.nn.functional.cross_entropy in double precision, ignore_index -1, of logits
 * 5 sin(1 + 3 i + 7 c). */
static int known_answers(limn_device *device)
{
    const limn_desc in[] = {LIMN_F2(5, 7), LIMN_I1(5)};
    double logits[35], far_logits[35];
    for (int i = 0; i < 35; i++) {
        logits[i] = 5 * sin(1.0 + 3 * (i / 7) + 7 * (i % 7));
        far_logits[i] = (float)logits[i] + 1024.0; /* exp of it would overflow */
    }
    const double labels[] = {2, -1, 0, 6, 3}, fewer[] = {2, -1, 0, -1, 3},
                 beyond[] = {2, 7, 0, INT32_MAX, 3}, none[] = {-1, -1, -1, -1, -1};
    const struct {
        const char *params;
        const double *logits, *labels;
        double loss, tolerance;
    } known[] = {
        {"", logits, labels, 1.9133655479007956, 2e-6},
        {"label_smoothing=0.1", logits, labels, 2.2545854183004046, 2e-6},
        {"", logits, fewer, 2.407099421299574, 2e-6},
        {"", logits, beyond, 2.407099421299574, 2e-6}, /* no class: skipped */
        {"", logits, none, 0, 0},
        {"", far_logits, labels, 1.9133655479007956, 2e-4}, /* logits are rounded to 2^-14 */
    };
    int wrong = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const double *values[] = {known[i].logits, known[i].labels};
        wrong += limn_expect(device, "cross_entropy", known[i].params, 2, in, values,
                             &known[i].loss, known[i].tolerance);
    }
    return wrong;
}

const limn_op_test limn_test_cross_entropy = {
    .op = "cross_entropy",
    .tolerance = 1e-5,
    .backward_tolerance = 1e-5,
    .reason = "exp and log to 3 ulp of logits of 2, whose differences make the loss, sums of K and "
              "N terms",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
