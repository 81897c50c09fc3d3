// Nothing exits at once. It is the child of the benchmarks where no C compiler can make a smaller one.
package main

func main() {}
