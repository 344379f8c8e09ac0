from visualizer.cli import main

main(prog_name="visualizer")
