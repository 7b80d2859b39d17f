//! Writes the corpus anew: `cargo run -p dailey-auth --example corpus`.

#[path = "mod.rs"]
mod generate;
#[path = "../loader.rs"]
#[allow(dead_code)] // it is there to read
mod loader;

fn main() -> std::io::Result<()> {
    for (name, text) in generate::files() {
        std::fs::write(loader::folder().join(name), text)?;
    }
    Ok(())
}
