//! Tells the linker how a Node addon is built.

fn main() {
    napi_build::setup();
}
