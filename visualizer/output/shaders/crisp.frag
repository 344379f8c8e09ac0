#version 330 core
// Before enlarging, along one axis: takes the mesh out of a generated picture and sharpens what is left.
//
// A generator's last upsampling leaves stripes one pixel wide, which enlarged look like cloth. At the frequency
// w the five weights of `even` pass 1 - sin^4(w/2): nothing of such stripes, nearly everything wider.
// Those of `detail` pass sin^2(w), which has its peak at stripes two pixels wide. The sum stays between the
// neighbours, so that soft places gain contrast and hard edges get no halo.

uniform sampler2D picture;
uniform vec2 along;      // (1, 0) for rows, (0, 1) for columns
uniform float strength;  // of the sharpening: 0 is none, 1 doubles the contrast of fine detail

out vec4 colour;

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    ivec2 step = ivec2(along);
    ivec2 last = textureSize(picture, 0) - 1;
    vec3 a = texelFetch(picture, max(at - 2 * step, ivec2(0)), 0).rgb;
    vec3 b = texelFetch(picture, max(at - step, ivec2(0)), 0).rgb;
    vec3 c = texelFetch(picture, at, 0).rgb;
    vec3 d = texelFetch(picture, min(at + step, last), 0).rgb;
    vec3 e = texelFetch(picture, min(at + 2 * step, last), 0).rgb;
    vec3 even = (10.0 * c + 4.0 * (b + d) - a - e) / 16.0;
    vec3 detail = 0.5 * c - 0.25 * (a + e);
    vec3 low = min(c, min(b, d)), high = max(c, max(b, d));
    colour = vec4(clamp(even + strength * detail, low, high), 1.0);
}
