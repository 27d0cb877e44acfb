use benches::Shape;
use orch_core::*;
fn main() {
    let shape = match std::env::args().nth(1).as_deref() { Some("chain") => Shape::chain(10_000), Some("tree") => Shape::tree(16383), Some("layered") => Shape::layered(100,100), _ => Shape::fan(10_000) };
    let n: usize = std::env::args().nth(2).map_or(300, |n| n.parse().unwrap());
    let rt = tokio::runtime::Runtime::new().unwrap();
    let plan = Plan::new(&shape.graph(), &PlanOptions::default()).unwrap();
    let engine = Engine::builder().executor(async |_: TaskContext| ()).build().unwrap();
    println!("event {} kind {} message {} outcome {}", size_of::<Event>(), size_of::<EventKind>(), size_of::<run::Message>(), size_of::<Outcome>());
    for _ in 0..n { let o = RunOptions{max_parallel: 1_000_000, ..RunOptions::default()}; rt.block_on(engine.run(&plan, o)).unwrap(); }
}
