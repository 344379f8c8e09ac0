#version 330 core
// Enlarges with the card's own bilinear filter: the cheapest there is.

uniform sampler2D picture;
uniform vec2 origin;  // the source position of the first pixel's near edge, in parts of the picture
uniform vec2 scale;   // parts of the picture per drawn part

in vec2 place;
out vec4 colour;

void main() {
    colour = vec4(texture(picture, origin + place * scale).rgb, 1.0);
}
