#version 330 core
// Lays a picture onto a quadrilateral of the window, as a projector that stands aslant needs it: its corners go
// through a homography, three rows of it, between parts of either from its top left, and what lies between them
// follows in perspective. `place` runs from (0, 0) at the picture's bottom left, as drawn canvases lie.

uniform vec4 across, down, depth;  // rows of the matrix; their last number means nothing

out vec2 place;

void main() {
    vec3 corner = vec3(gl_VertexID & 1, gl_VertexID >> 1, 1.0);
    place = vec2(corner.x, 1.0 - corner.y);
    vec3 at = vec3(dot(across.xyz, corner), dot(down.xyz, corner), dot(depth.xyz, corner));
    gl_Position = vec4(2.0 * at.x - at.z, at.z - 2.0 * at.y, 0.0, at.z);
}
