#version 330 core
// Enlarges along one axis by Catmull-Rom splines; the other axis is taken pixel by pixel.
//
// One axis after the other needs 4 + 4 texels where both at once need 16. It is done on sRGB values as they
// are: in linear light the overshoots of the splines show as dark rings.

uniform sampler2D picture;
uniform vec2 along;   // (1, 0) for columns, (0, 1) for rows
uniform vec2 origin;  // the source position of the first pixel's near edge, in texels
uniform vec2 scale;   // source texels per pixel

out vec4 colour;

void main() {
    vec2 at = origin + gl_FragCoord.xy * scale;
    ivec2 last = textureSize(picture, 0) - 1;
    ivec2 step = ivec2(along);
    vec2 near = floor(at - 0.5 * along);
    float t = dot(at - 0.5 * along - near, along);
    ivec2 texel = ivec2(near);

    vec3 p0 = texelFetch(picture, clamp(texel - step, ivec2(0), last), 0).rgb;
    vec3 p1 = texelFetch(picture, clamp(texel, ivec2(0), last), 0).rgb;
    vec3 p2 = texelFetch(picture, clamp(texel + step, ivec2(0), last), 0).rgb;
    vec3 p3 = texelFetch(picture, clamp(texel + 2 * step, ivec2(0), last), 0).rgb;
    vec3 a = 3.0 * (p1 - p2) + p3 - p0;
    vec3 b = 2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3;
    colour = vec4(p1 + 0.5 * t * (p2 - p0 + t * (b + t * a)), 1.0);
}
