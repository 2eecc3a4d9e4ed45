/* Convolution by its definition, in double precision, on the host. */
#include "ops/conv2d/conv2d.h"

/* What one output pixel and one tap share: where x, the filters and y begin. */
typedef struct meeting {
    size_t x, w, y;
} meeting;

typedef void (*meet_fn)(const conv2d_shape *s, const limn_op_reference *r, meeting at);

/* Calls `meet` for each output pixel and each tap that falls inside the image. */
static void each_meeting(const conv2d_shape *s, const limn_op_reference *r, meet_fn meet)
{
    const size_t c = (size_t)s->groups * (size_t)s->cg, k = (size_t)s->groups * (size_t)s->kg;
    const int rows = s->n * s->h.out;
    for (int row = 0; row < rows; row++)
        for (int ow = 0; ow < s->w.out; ow++)
            for (int t = 0; t < s->taps; t++) {
                const int n = row / s->h.out, oh = row % s->h.out;
                const int ih = oh * s->h.stride - s->h.pad + t / s->w.kernel * s->h.dilation;
                const int iw = ow * s->w.stride - s->w.pad + t % s->w.kernel * s->w.dilation;
                if (ih < 0 || ih >= s->h.in || iw < 0 || iw >= s->w.in)
                    continue;
                const size_t in_row = (size_t)n * (size_t)s->h.in + (size_t)ih;
                const meeting at = {(in_row * (size_t)s->w.in + (size_t)iw) * c, (size_t)t,
                                    ((size_t)row * (size_t)s->w.out + (size_t)ow) * k};
                meet(s, r, at);
            }
}

/* Filter k and its channel c lie at w[(k * cg + c) * taps] of a tap's own place. */
static void meet_forward(const conv2d_shape *s, const limn_op_reference *r, meeting at)
{
    const double *w = r->in[1] + at.w;
    for (int k = 0; k < s->groups * s->kg; k++) {
        const double *x = r->in[0] + at.x + k / s->kg * s->cg;
        double sum = 0;
        for (int c = 0; c < s->cg; c++, w += s->taps)
            sum += x[c] * *w;
        r->out[0][at.y + (size_t)k] += sum;
    }
}

static void meet_data(const conv2d_shape *s, const limn_op_reference *r, meeting at)
{
    const double *w = r->in[1] + at.w;
    for (int k = 0; k < s->groups * s->kg; k++) {
        double *dx = r->grad_in[0] + at.x + k / s->kg * s->cg;
        for (int c = 0; c < s->cg; c++, w += s->taps)
            dx[c] += r->grad_out[0][at.y + (size_t)k] * *w;
    }
}

static void meet_filter(const conv2d_shape *s, const limn_op_reference *r, meeting at)
{
    double *dw = r->grad_in[1] + at.w;
    for (int k = 0; k < s->groups * s->kg; k++) {
        const double *x = r->in[0] + at.x + k / s->kg * s->cg;
        for (int c = 0; c < s->cg; c++, dw += s->taps)
            *dw += r->grad_out[0][at.y + (size_t)k] * x[c];
    }
}

void conv2d_reference_forward(const conv2d_shape *s, const limn_op_reference *r)
{
    const size_t k = (size_t)s->groups * (size_t)s->kg;
    const size_t count = (size_t)s->n * (size_t)s->h.out * (size_t)s->w.out * k;
    for (size_t i = 0; i < count; i++)
        r->out[0][i] = s->bias ? r->in[2][i % k] : 0.0;
    each_meeting(s, r, meet_forward);
}

void conv2d_reference_backward(const conv2d_shape *s, const limn_op_reference *r)
{
    if (!r->grad_out[0])
        return;
    if (r->grad_in[0])
        each_meeting(s, r, meet_data);
    if (r->grad_in[1])
        each_meeting(s, r, meet_filter);
    if (s->bias && r->grad_in[2]) {
        const size_t k = (size_t)s->groups * (size_t)s->kg;
        const size_t count = (size_t)s->n * (size_t)s->h.out * (size_t)s->w.out * k;
        for (size_t i = 0; i < count; i++)
            r->grad_in[2][i % k] += r->grad_out[0][i];
    }
}
