#version 330 core
// A canvas as it is.

uniform sampler2D picture;

in vec2 place;
out vec4 colour;

void main() {
    colour = texture(picture, place);
}
