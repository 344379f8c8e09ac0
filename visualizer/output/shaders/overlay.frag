#version 330 core
// Something laid over the picture; its colours are premultiplied by their alpha.

uniform sampler2D picture;
uniform vec4 tint;  // multiplies it; premultiplied too

in vec2 place;
out vec4 colour;

void main() {
    colour = texture(picture, place) * tint;
}
