/* Gradients in half precision.  Often they are too small for it, so all of a tensor are multiplied
 * by a power of two before they are rounded, one that takes the largest magnitude `amax` (op amax)
 * to [2^14, 2^15), and what is summed of them by its inverse.  Neither rounds, but for results that
 * are no normal floats.  Where half holds 2^-14 with all its bits, that is 2^-28 of amax; what is
 * smaller is off by 2^-39 of amax at most.
 *
 * The power ends at 2^126, whose inverse is the least normal float: for an amax below 2^-112, the
 * nearer it comes to where floats end, the more is lost.
 */
int raise_exponent(float amax)
{
    return min(14 + 127 - (int)(as_uint(amax) >> 23), 126);
}

float raise_factor(float amax)
{
    return as_float((127 + raise_exponent(amax)) << 23);
}

float lower_factor(float amax)
{
    return as_float((127 - raise_exponent(amax)) << 23);
}
