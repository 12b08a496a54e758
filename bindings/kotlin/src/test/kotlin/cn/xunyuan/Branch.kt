package cn.xunyuan

import java.io.File
import java.net.ServerSocket
import java.net.Socket
import java.nio.file.Files
import java.util.concurrent.TimeUnit

/** What the scripts of this folder hand to the tests. */
object Given {
    /** The program `xunyuan-server`. */
    val server: String = property("server")

    /** The sample organisation. */
    val organisation: File = File(property("organisation"))

    /** A directory on a disk of a few megabytes; nothing where the machine can make none. */
    val smallDisk: File? = System.getenv("SMALL_DISK")?.takeIf { it.isNotEmpty() }?.let(::File)

    private fun property(name: String): String =
        checkNotNull(System.getProperty("xunyuan.$name")) { "run the tests with bindings/kotlin/test" }
}

/** A fresh directory that is removed when the process ends. */
fun freshDirectory(): File = Files.createTempDirectory("xunyuan-kotlin").toFile().also { directory ->
    Runtime.getRuntime().addShutdownHook(Thread { directory.deleteRecursively() })
}

/** Settings of these tests. */
fun settings(byItself: Boolean = false, language: Language = Language.ENGLISH, proxy: String? = null) = Settings(
    app = "xunyuan-kotlin-test/1",
    language = language,
    timeZone = "Asia/Shanghai",
    proxy = proxy,
    exchangeByItself = byItself,
)

/** A branch server in a process of its own, on the loopback; with a certificate that it makes itself for HTTPS. */
class Branch(
    private val https: Boolean = false,
    val port: Int = ServerSocket(0).use { it.localPort },
    private val directory: File = freshDirectory(),
) : AutoCloseable {
    private var process: Process? = null

    init {
        Runtime.getRuntime().addShutdownHook(Thread { process?.destroyForcibly() })
        command("org", "load", Given.organisation.path)
        start()
    }

    /** Starts it, again after [kill]. */
    fun start() {
        process = builder("serve").redirectOutput(ProcessBuilder.Redirect.DISCARD).start()
        eventually("the server answers") { runCatching { Socket("127.0.0.1", port).close() }.isSuccess }
    }

    /** Ends it at once, as a power cut would. */
    fun kill() {
        process?.destroyForcibly()?.waitFor()
    }

    /** A fresh link for a person. */
    fun invite(user: String): String {
        val said = command("invite", "--user", user)
        return checkNotNull(Regex("\"link\":\\s*\"([^\"]+)\"").find(said)) { said }.groupValues[1]
    }

    /** Enrols a person's replica and fetches what they may see. */
    fun enroll(user: String, settings: Settings = settings()): Replica {
        val replica = Replica.enroll(invite(user), freshDirectory().path, settings)
        val report = replica.syncOnce(30_000u)
        check(report.isFinished) { "the first exchange: ${report.failure}" }
        return replica
    }

    /** Runs a command of the server beside it; what it said. */
    fun command(vararg arguments: String): String {
        val running = builder(*arguments).redirectError(ProcessBuilder.Redirect.DISCARD).start()
        val said = running.inputStream.bufferedReader().readText()
        check(running.waitFor(30, TimeUnit.SECONDS) && running.exitValue() == 0) { "${arguments.toList()}: $said" }
        return said
    }

    override fun close() = kill()

    private fun builder(vararg arguments: String): ProcessBuilder {
        val line = listOf(Given.server, "--json", "--lang", "en", "--data", File(directory, "branch").path)
        val builder = ProcessBuilder(line + arguments).redirectError(ProcessBuilder.Redirect.DISCARD)
        builder.environment()["XUNYUAN_LISTEN"] = "127.0.0.1:$port"
        if (https) builder.environment()["XUNYUAN_PLAIN_HTTP"] = "never"
        return builder
    }
}

/** Waits until something holds. */
fun eventually(what: String, holds: () -> Boolean) {
    val until = System.nanoTime() + 30_000_000_000
    while (!holds()) {
        check(System.nanoTime() < until) { "in vain: $what" }
        Thread.sleep(20)
    }
}

/** The value of an option or a text. */
fun text(value: String) = Value.Text(value)

/** An answer by the id of an option. */
fun option(id: String, note: String? = null, photos: List<String> = emptyList()) =
    AnswerInput(value = Value.Text(id), note = note, photos = photos)

/** A grey picture, and behind its end a name that makes it another file than every other. */
fun picture(name: String): File = File(freshDirectory(), "$name.jpg").also {
    it.writeBytes(java.util.Base64.getDecoder().decode(GREY) + name.toByteArray())
}

private const val GREY =
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71" +
    "////m8H////6/+b9//j/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAI" +
    "AQEAAD8AP//Z"

/** A free patrol sheet of the sample organisation. */
fun Replica.startPatrol(): SheetScreen = startSheet("tpl.park_patrol", "pj.lanyuan")
