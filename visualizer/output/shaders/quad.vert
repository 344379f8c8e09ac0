#version 330 core
// A rectangle: four corners of a strip. `place` runs from (0, 0) at its top left to (1, 1).

uniform vec4 box;  // left, top, width, height, in parts of the window; down is positive

out vec2 place;

void main() {
    place = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    vec2 at = box.xy + place * box.zw;
    gl_Position = vec4(at.x * 2.0 - 1.0, 1.0 - at.y * 2.0, 0.0, 1.0);
}
