import Foundation

if CommandLine.arguments.count == 4, CommandLine.arguments[1] == "officer" {
    try officer(file: CommandLine.arguments[2], sheet: CommandLine.arguments[3])
    exit(0)
}

let tests: [(String, () async throws -> Void)] = [
    ("aPatrolOfficersDay", aPatrolOfficersDay),
    ("aFileUnderAKeyOpensWithItOnly", aFileUnderAKeyOpensWithItOnly),
    ("theAppHearsOfOthersWorkWithoutAsking", theAppHearsOfOthersWorkWithoutAsking),
    ("theReadmeRuns", theReadmeRuns),
]
let began = Date()
var failed = 0
for (name, test) in tests {
    do {
        try await test()
        print("\(name): ok")
    } catch {
        failed += 1
        print("\(name): FAILED: \(error)")
    }
}
print("\(tests.count - failed) passed, \(failed) failed in \(Int(Date().timeIntervalSince(began)))s")
exit(failed == 0 ? 0 : 1)
