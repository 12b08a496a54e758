package cn.xunyuan

import java.nio.charset.CharacterCodingException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.channels.BufferOverflow
import kotlinx.coroutines.flow.MutableSharedFlow
import kotlinx.coroutines.flow.SharedFlow
import kotlinx.coroutines.flow.asSharedFlow
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext

/**
 * What came of a call: exhaust it with `when`.
 */
sealed interface Outcome<out T> {
    /** It was done, and whatever it saved is on disk. */
    data class Done<out T>(val value: T) : Outcome<T>

    /** It was not done; nothing was saved, and nothing that was saved before is lost. */
    data class Failed(val error: SyncException) : Outcome<Nothing> {
        /** What happened and what to do, in the language that was chosen: for the person. */
        val sentence: String get() = error.explain().sentence

        /** Stable code in snake case: for programs. */
        val code: String get() = error.explain().code
    }

    /** The value, or the error as an exception. */
    fun orThrow(): T = when (this) {
        is Done -> value
        is Failed -> throw error
    }
}

/**
 * Records that changed, through whomever.
 *
 * @property documents their ids; empty where there are too many to name
 * @property everything true when any record may have changed: load again what is shown
 */
data class Changed(val documents: List<String>, val everything: Boolean)

/**
 * One person's records on this device, for coroutines.
 *
 * Every call of [Replica] goes through [ask]: off the main thread, with a sealed result.
 *
 * ```kotlin
 * when (val sheet = device.ask { startSlot(slot.key) }) {
 *     is Outcome.Done -> show(sheet.value)
 *     is Outcome.Failed -> say(sheet.sentence)
 * }
 * ```
 */
class Device private constructor(
    private val replica: Replica,
    private val language: Language,
    private val dispatcher: CoroutineDispatcher,
) : AutoCloseable {
    private val changing = MutableSharedFlow<Changed>(extraBufferCapacity = 16, onBufferOverflow = BufferOverflow.SUSPEND)
    private val standings = MutableSharedFlow<Standing>(replay = 1, onBufferOverflow = BufferOverflow.DROP_OLDEST)

    /**
     * Records that change while somebody collects. A slow collector delays further news, which then come
     * as one; nothing else waits for it.
     */
    val changes: SharedFlow<Changed> = changing.asSharedFlow()

    /** How the replica stands, the newest first of all. */
    val standing: SharedFlow<Standing> = standings.asSharedFlow()

    init {
        replica.setListener(object : Listener {
            override fun changed(documents: List<String>, everything: Boolean) =
                runBlocking { changing.emit(Changed(documents, everything)) }

            override fun standing(standing: Standing) {
                standings.tryEmit(standing)
            }
        })
    }

    /**
     * Makes one or several calls off the main thread.
     *
     * A call that has begun is finished even when the coroutine is cancelled meanwhile: what a person
     * saved stays saved.
     */
    suspend fun <T> ask(call: Replica.() -> T): Outcome<T> =
        withContext(dispatcher) { settled(language) { replica.call() } }

    /**
     * Exchanges with the branch and waits for the end. Cancelling stops the waiting, not the exchange.
     */
    suspend fun sync(): Outcome<SyncReport> = settled(language) { replica.sync() }

    /**
     * Closes the file; every later call fails as closed. A second time is harmless.
     */
    override fun close() = replica.shut()

    companion object {
        /**
         * Opens a replica file that was enrolled before, with its key where it is encrypted.
         */
        suspend fun open(
            file: String,
            settings: Settings,
            key: ByteArray? = null,
            dispatcher: CoroutineDispatcher = Dispatchers.IO,
        ): Outcome<Device> = made(settings, dispatcher) { Replica.open(file, settings, key) }

        /**
         * Turns a one-time link into a replica in `directory` (needs signal), encrypted where there is a key: 32
         * random bytes that the app keeps in the platform's keystore.
         */
        suspend fun enroll(
            link: String,
            directory: String,
            settings: Settings,
            key: ByteArray? = null,
            dispatcher: CoroutineDispatcher = Dispatchers.IO,
        ): Outcome<Device> = made(settings, dispatcher) { Replica.enroll(link, directory, settings, key) }

        private suspend fun made(
            settings: Settings,
            dispatcher: CoroutineDispatcher,
            make: () -> Replica,
        ): Outcome<Device> = withContext(dispatcher) {
            val language = settings.language ?: Language.CHINESE
            settled(language) { Device(make(), language, dispatcher) }
        }
    }
}

/** A call as an outcome. */
private inline fun <T> settled(language: Language, call: () -> T): Outcome<T> = try {
    Outcome.Done(call())
} catch (error: SyncException) {
    Outcome.Failed(error)
} catch (_: CharacterCodingException) {
    // Half of a surrogate pair: the library says so in its own words.
    try {
        refuseText(language)
        throw IllegalStateException("a refusal that refuses nothing")
    } catch (error: SyncException) {
        Outcome.Failed(error)
    }
}
