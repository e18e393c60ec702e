// The program of the renderer: a map with its overlays.

export const MAP_VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(float((gl_VertexID << 1) & 2), float(gl_VertexID & 2));
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

// Heights are fetched pixel by pixel (no filtering: what is seen was measured). Where a screen pixel covers several,
// heights are averaged and marks win, so that thin scars never vanish.
export const MAP_FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
uniform sampler2D heights;
uniform sampler2D minus;
uniform usampler2D marks;
uniform sampler2D lut;
uniform vec4 viewport;
uniform vec2 center;
uniform vec2 scale;
uniform vec2 full;
uniform vec4 ratios;
uniform vec3 plane;
uniform vec4 range;
uniform vec4 colors[16];
uniform int mode;
uniform float dpr;
uniform float split;
uniform vec4 paper;
out vec4 color;

float stripes(vec2 at, float period, float share) {
  return step(mod(at.x + at.y, period), share * period);
}

void main() {
  vec2 screen = vec2(gl_FragCoord.x - viewport.x, viewport.w - (gl_FragCoord.y - viewport.y));
  vec2 pixel = (screen - 0.5 * viewport.zw) / scale + center;
  if (screen.x < split || any(lessThan(pixel, vec2(0.0))) || any(greaterThanEqual(pixel, full))) {
    if (screen.x < split) discard;
    color = paper;
    return;
  }
  vec2 size = vec2(textureSize(heights, 0));
  vec2 ratio = ratios.xy;
  vec2 step_ = ratio / scale;
  ivec2 n = clamp(ivec2(floor(step_ + 0.5)), ivec2(1), ivec2(3));
  vec2 corner = pixel * ratio - 0.5 * step_ * vec2(greaterThan(n, ivec2(1)));
  float sum = 0.0, count = 0.0;
  for (int j = 0; j < n.y; j++) for (int i = 0; i < n.x; i++) {
    vec2 at = corner + (vec2(i, j) + 0.5 * vec2(greaterThan(n, ivec2(1)))) * step_ / vec2(n);
    ivec2 where = clamp(ivec2(floor(at)), ivec2(0), ivec2(size) - 1);
    float value = texelFetch(heights, where, 0).r;
    if (mode == 3) value -= texelFetch(minus, where, 0).r;
    if (abs(value) < 1e37) { sum += value; count += 1.0; }
  }
  vec2 hatch = screen / dpr;
  vec3 shade;
  if (count > 0.0) {
    vec2 mid = pixel - 0.5 * full;
    float value = sum / count - plane.x - plane.y * mid.y - plane.z * mid.x;
    float t = clamp((value - range.x) * range.y, 0.0, 1.0);
    shade = texelFetch(lut, ivec2(int(t * 255.0 + 0.5), 0), 0).rgb;
  } else {
    shade = mode == 4 ? vec3(0.87) : mix(vec3(0.80), vec3(0.55), stripes(hatch, 8.0, 0.4));
  }
  if (mode == 1 || mode == 2 || mode == 4) {
    vec2 msize = vec2(textureSize(marks, 0));
    vec2 mratio = ratios.zw;
    vec2 mstep = mratio / scale;
    ivec2 m = clamp(ivec2(ceil(mstep - 0.01)), ivec2(1), ivec2(4));
    uint bits = 0u, kind = 0u;
    for (int j = 0; j < m.y; j++) for (int i = 0; i < m.x; i++) {
      vec2 at = pixel * mratio + (vec2(i, j) - 0.5 * vec2(m - 1)) * mstep / vec2(m);
      uint label = texelFetch(marks, clamp(ivec2(floor(at)), ivec2(0), ivec2(msize) - 1), 0).r;
      bits |= label & 240u;
      kind = max(kind, label & 15u);
      if (mode != 1) bits |= label;
    }
    if (mode == 1) {
      if (kind > 0u) shade = mix(shade, colors[kind].rgb, 0.78);
      if ((bits & 64u) != 0u) shade = mix(shade, vec3(0.48, 0.25, 0.95), stripes(hatch.yx * vec2(1.0, -1.0), 7.0, 0.5));
      if ((bits & 32u) != 0u) shade = mix(shade, vec3(1.0, 0.85, 0.1), 0.25 + 0.6 * stripes(hatch, 9.0, 0.3));
      if ((bits & 16u) != 0u) shade = mix(vec3(0.80), vec3(0.55), stripes(hatch, 8.0, 0.4));
    } else {
      if (mode == 2 && (bits & 1u) != 0u) shade = mix(shade, vec3(0.0, 0.84, 1.0), 0.45);
      if ((bits & 8u) != 0u) shade = mix(shade, vec3(0.45, 0.2, 0.85), 0.25 + 0.55 * stripes(hatch.yx * vec2(1.0, -1.0), 6.0, 0.35));
      if ((bits & 4u) != 0u) shade = mix(shade, vec3(0.0, 0.35, 0.6), stripes(hatch, 5.0, 0.35));
      if ((bits & 2u) != 0u) shade = mix(shade, vec3(0.9, 0.1, 0.2), 0.2 + 0.7 * stripes(hatch, 7.0, 0.35));
    }
  }
  color = vec4(shade, 1.0);
}`;
