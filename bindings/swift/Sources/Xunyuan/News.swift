import Foundation

/// Records that changed, through whomever.
public struct Changed: Hashable, Sendable {
    /// Their ids; empty where there are too many to name.
    public let documents: [String]
    /// True when any record may have changed: load again what is shown.
    public let everything: Bool
}

/// Passes on what the library tells to every sequence that is read.
final class News: Listener, @unchecked Sendable {
    /// Guards everything below.
    private let lock = NSLock()
    private var latest: Standing?
    private var isOver = false
    private var changing: [UUID: AsyncStream<Changed>.Continuation] = [:]
    private var standing: [UUID: AsyncStream<Standing>.Continuation] = [:]

    func changes() -> AsyncStream<Changed> {
        AsyncStream(bufferingPolicy: .bufferingNewest(64)) { reader in
            let id = UUID()
            reader.onTermination = { [weak self] _ in self?.locked { $0.changing[id] = nil } }
            // Outside of the lock: the end of a sequence takes it too.
            if !locked({ $0.add(reader, to: \.changing, as: id) }) { reader.finish() }
        }
    }

    func standings() -> AsyncStream<Standing> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { reader in
            let id = UUID()
            reader.onTermination = { [weak self] _ in self?.locked { $0.standing[id] = nil } }
            let isHeard = locked { news in
                if let latest = news.latest { reader.yield(latest) }
                return news.add(reader, to: \.standing, as: id)
            }
            if !isHeard { reader.finish() }
        }
    }

    func end() {
        let (changing, standing) = locked { news in
            news.isOver = true
            return (Array(news.changing.values), Array(news.standing.values))
        }
        changing.forEach { $0.finish() }
        standing.forEach { $0.finish() }
    }

    // Listener

    func changed(documents: [String], everything: Bool) throws {
        let change = Changed(documents: documents, everything: everything)
        for reader in locked({ Array($0.changing.values) }) {
            if case .dropped = reader.yield(change) {
                reader.yield(Changed(documents: [], everything: true))
            }
        }
    }

    func standing(standing: Standing) throws {
        let readers = locked { news in
            news.latest = standing
            return Array(news.standing.values)
        }
        readers.forEach { $0.yield(standing) }
    }

    /// Notes who reads from now on, unless it is over. Called under the lock.
    private func add<T>(
        _ reader: AsyncStream<T>.Continuation,
        to readers: ReferenceWritableKeyPath<News, [UUID: AsyncStream<T>.Continuation]>,
        as id: UUID
    ) -> Bool {
        if !isOver { self[keyPath: readers][id] = reader }
        return !isOver
    }

    private func locked<T>(_ work: (News) -> T) -> T {
        lock.lock()
        defer { lock.unlock() }
        return work(self)
    }
}
