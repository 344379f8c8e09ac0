// What lies between the generator's convolutions on a graphics card, each in one pass over memory.
//
// Numbers are float16, channels last, eight at a time; arithmetic is in float32. Of every tensor the number of
// channels is a multiple of eight, and of eights less than 2^31.

typedef unsigned short Half;

struct alignas(16) Eight {
    Half of[8];
};

__device__ float to_float(Half h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}

__device__ Half to_half(float f) {
    Half h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}

__device__ float leaky(float x) {
    return x > 0.0f ? x : 0.2f * x;
}

// After a block's first convolution, which made four phases of a picture twice as large: [n, h + 1, w + 1,
// 2, 2, c] with the phase of row a and column b moved by (a, b) to [n, 2 h, 2 w, c]. Bias, leaky rectifier,
// modulation. bias: [c]; scale and shift: [n, c], `row` eights from picture to picture.
extern "C" __global__ void modulate(const Eight *phases, const Eight *bias, const Eight *scale, const Eight *shift,
                                    Eight *out, int n, int height, int width, int eights, int row) {
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= n * height * width * 4 * eights) return;
    int k = index % eights;
    int pixel = index / eights;
    int x = pixel % (2 * width), y = pixel / (2 * width) % (2 * height), picture = pixel / (4 * width * height);
    int a = y & 1, b = x & 1;
    long long place = ((long long)picture * (height + 1) + (y >> 1) + a) * (width + 1) + (x >> 1) + b;
    Eight in = phases[(place * 4 + 2 * a + b) * eights + k], made;
    Eight add = bias[k], gain = scale[picture * row + k], offset = shift[picture * row + k];
    for (int i = 0; i < 8; i++) {
        float value = leaky(to_float(in.of[i]) + to_float(add.of[i]));
        made.of[i] = to_half(value * to_float(gain.of[i]) + to_float(offset.of[i]));
    }
    out[index] = made;
}

// After any other convolution, in place: bias and leaky rectifier, and what went into the convolution added
// where it is given. values, before: [pixels, c].
extern "C" __global__ void rectify(Eight *values, const Eight *bias, const Eight *before, int count, int eights) {
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= count) return;
    Eight value = values[index], add = bias[index % eights], more = {};
    if (before) more = before[index];
    for (int i = 0; i < 8; i++) {
        value.of[i] = to_half(leaky(to_float(value.of[i]) + to_float(add.of[i])) + to_float(more.of[i]));
    }
    values[index] = value;
}

// After the last convolution: [n, h, w, 3, 2, 2] shuffled to pixels, each averaged with its left and upper
// neighbours, through the sigmoid and rounded to [n, 2 h, 2 w, 3] bytes. bias: [12].
extern "C" __global__ void shuffle(const Half *subpixels, const Half *bias, unsigned char *out, int n, int height,
                                   int width) {
    int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= n * height * width * 4) return;
    int x = pixel % (2 * width), y = pixel / (2 * width) % (2 * height), picture = pixel / (4 * width * height);
    float sum[3] = {0.0f, 0.0f, 0.0f};
    for (int up = 0; up < 2; up++) {
        for (int left = 0; left < 2; left++) {
            int v = max(y - up, 0), u = max(x - left, 0);
            long long place = ((long long)picture * height + (v >> 1)) * width + (u >> 1);
            for (int colour = 0; colour < 3; colour++) {
                int channel = colour * 4 + (v & 1) * 2 + (u & 1);
                sum[colour] += to_float(subpixels[place * 12 + channel]) + to_float(bias[channel]);
            }
        }
    }
    for (int colour = 0; colour < 3; colour++) {
        float value = 1.0f / (1.0f + expf(-0.25f * sum[colour]));
        out[3ll * pixel + colour] = (unsigned char)(value * 255.0f + 0.5f);
    }
}
